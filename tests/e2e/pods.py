"""The pods that controllers would create from manifests: `helm template ... | pods.py | kubectl create -f -`.

Pod Security and quotas apply to pods only, and an API server without controllers creates none.
"""

import json
import sys
from typing import Any

import yaml


def pod_spec(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """Return the pod spec of a workload; None for other manifests."""
    spec: dict[str, Any] = manifest.get("spec", {})
    if manifest["kind"] == "Pod":
        return spec
    spec = spec["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else spec
    found: dict[str, Any] | None = spec.get("template", {}).get("spec")
    return found


def main() -> None:
    """Read manifests, write one list of pods."""
    manifests = [manifest for manifest in yaml.safe_load_all(sys.stdin) if manifest]
    found = [(manifest, spec) for manifest in manifests if (spec := pod_spec(manifest)) is not None]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": manifest["metadata"]["name"]}, "spec": spec}
        for manifest, spec in found
    ]
    json.dump({"apiVersion": "v1", "kind": "List", "items": pods}, sys.stdout)


if __name__ == "__main__":
    main()
