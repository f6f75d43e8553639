"""JobSet and Kueue in the test cluster: manifests from the source of the pinned modules, images built here."""

from typing import Any

import binaries
import image
import yaml
from cluster import Cluster

# No CPU requests: a training that requests both cores fits only if nothing else requests any.
SMALL = {"requests": {"cpu": 0, "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
NAMES = ("jobset", "kueue")


def install(cluster: Cluster, registry: str) -> None:
    """Install both controllers and wait until they are ready; before that, their webhooks refuse everything."""
    for name in NAMES:
        reference = image.push_command(name, ["/manager"], registry, binaries.command(name))
        rendered = cluster.kubectl("kustomize", str(binaries.source(name) / "config" / "default"))
        manifests = [_adapted(manifest, reference) for manifest in yaml.safe_load_all(rendered) if manifest]
        first = [m for m in manifests if m["kind"] in ("Namespace", "CustomResourceDefinition")]
        cluster.apply(first)
        cluster.apply([manifest for manifest in manifests if manifest not in first])
    for name in NAMES:
        words = ["rollout", "status", f"deployment/{name}-controller-manager", "--timeout=180s"]
        cluster.kubectl("-n", f"{name}-system", *words)


def _adapted(manifest: dict[str, Any], reference: str) -> dict[str, Any]:
    """Point a Deployment at the image built here, with smaller resource requests."""
    if manifest["kind"] == "Deployment":
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            container |= {"image": reference, "imagePullPolicy": "IfNotPresent", "resources": SMALL}
    return manifest
