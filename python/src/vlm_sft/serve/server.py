"""`swift deploy` with its API key out of the environment: as an argument ms-swift would write it into its log.

Run as a script by `vlm-sft serve`, which needs no torch.
"""

import os
import sys

from swift.pipelines.infer.deploy import SwiftDeploy


class KeyedDeploy(SwiftDeploy):  # type: ignore[misc]
    """ms-swift's server, which learns its key after it has logged its arguments and before it guards its routes."""

    def _install_auth_middleware(self) -> None:
        self.args.api_key = os.environ.pop("VLM_SFT_API_KEY", None) or None
        super()._install_auth_middleware()


if __name__ == "__main__":
    keyed = bool(os.environ.get("VLM_SFT_API_KEY"))
    server = KeyedDeploy(sys.argv[1:])
    if keyed and not server.args.api_key:
        sys.exit("error: VLM_SFT_API_KEY: this ms-swift asks for its key in another way; serve without a key, or 4.6")
    server.main()
