"""`swift deploy` with its API key from the environment: ms-swift would log a key that is an argument.

`vlm-sft serve` runs it as a script, and so needs no torch itself.
"""

import os
import sys

from swift.pipelines.infer.deploy import SwiftDeploy


class KeyedDeploy(SwiftDeploy):  # type: ignore[misc]
    """ms-swift's server, which gets its key after it has logged its arguments and before it protects its routes."""

    def _install_auth_middleware(self) -> None:
        self.args.api_key = os.environ.pop("VLM_SFT_API_KEY", None) or None
        super()._install_auth_middleware()


if __name__ == "__main__":
    keyed = bool(os.environ.get("VLM_SFT_API_KEY"))
    server = KeyedDeploy(sys.argv[1:])
    if keyed and not server.args.api_key:
        sys.exit("error: VLM_SFT_API_KEY: not read by this ms-swift; use ms-swift 4.6, or serve without a key")
    server.main()
