"""`make e2e`: the chart in real pods of a real Kubernetes cluster.

    python tests/e2e/e2e.py [--keep] [--only WORD ...]

With KUBECONFIG and IMAGE (REPOSITORY@DIGEST, or REPOSITORY:TAG) it uses a new namespace of that cluster. Otherwise it
builds the image and starts a cluster on this machine, as root.
"""

import argparse
import inspect
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import story
from client import Client, NotHereError, StepError

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run all steps; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep the cluster after a failure until Enter is pressed")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only the steps whose name contains one of these")
    options = parser.parse_args()
    os.chdir(ROOT)
    clock = Clock()
    with given_cluster() if "KUBECONFIG" in os.environ else own_cluster(clock) as client:
        client.kubectl("create", "namespace", client.namespace)
        client.kubectl("label", "namespace", client.namespace, "pod-security.kubernetes.io/enforce=restricted")
        try:
            for step in steps(options.only):
                clock.time(step.__name__.replace("_", " "), lambda step=step: step(client))
        except StepError as error:
            print(f"error: {step.__name__.replace('_', ' ')}: {error}", file=sys.stderr)
            if options.keep:
                input(f"KUBECONFIG={client.kubeconfig} namespace {client.namespace}; Enter stops the cluster")
            return 1
        finally:
            client.kubectl("delete", "namespace", client.namespace, "--wait=false")
    print(f"{len(clock.took)} passed, 0 failed in {sum(clock.took.values()):.0f} s")
    return 0


class Clock:
    """Durations of the parts, each printed when the part ends."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    def time(self, what: str, run: Callable[[], object]) -> None:
        started_s = time.monotonic()
        try:
            run()
        except NotHereError as reason:
            print(f"skipped    {what}: {reason}", flush=True)
            return
        self.took[what] = time.monotonic() - started_s
        print(f"{self.took[what]:7.1f} s  {what}", flush=True)


def steps(words: Sequence[str] | None) -> list[Callable[[Client], None]]:
    """Return the steps in the order of their definition."""
    found = [
        function
        for _, function in inspect.getmembers(story, inspect.isfunction)
        if list(inspect.signature(function).parameters) == ["k"] and function.__module__ == "story"
    ]
    found.sort(key=lambda function: function.__code__.co_firstlineno)
    return [f for f in found if not words or any(word in f.__name__ for word in words)]


@contextmanager
def given_cluster() -> Iterator[Client]:
    """Use the cluster of KUBECONFIG, with an image that it can pull."""
    image = os.environ.get("IMAGE") or sys.exit(
        "error: IMAGE: not set; set it to an image of docker/Dockerfile that your cluster can pull"
    )
    yield Client(
        "kubectl",
        helm(),
        os.environ["KUBECONFIG"],
        f"vlm-e2e-{secrets.token_hex(3)}",
        helm_options=image_options(image),
    )


@contextmanager
def own_cluster(clock: Clock) -> Iterator[Client]:
    """Start a cluster on this machine, with the image in its registry."""
    import binaries
    import controllers
    import image
    from cluster import REGISTRY, Cluster
    from network import CONTROL, inside

    if os.geteuid() != 0:
        sys.exit("error: not root, need root for network namespaces and kubelets; or set KUBECONFIG to a cluster")
    clock.time("build the commands", lambda: binaries.build(*binaries.PACKAGES, *binaries.MODULES))
    clock.time("build the image", image.build)
    cluster = Cluster(nodes=2)
    try:
        clock.time("start the cluster", cluster.start)
        digests: list[str] = []
        clock.time("push the image", lambda: digests.append(image.push(REGISTRY)))
        clock.time("install JobSet and Kueue", lambda: controllers.install(cluster, REGISTRY))
        options = image_options(f"{REGISTRY}/vlm-sft@{digests[0]}")
        kubectl = str(binaries.folder() / "kubectl")
        yield Client(kubectl, helm(), str(cluster.kubeconfig), "vlm-e2e", inside(CONTROL, []), options)
    finally:
        cluster.stop()


def helm() -> str:
    """Return Helm 4's path."""
    return str(ROOT / ".tools" / "helm4" / "helm")


def image_options(name: str) -> list[str]:
    """Return the Helm options that set the image."""
    repository, at, digest = name.partition("@")
    if at:
        return ["--set", f"image.repository={repository},image.digest={digest}"]
    repository, _, tag = name.rpartition(":")
    return ["--set", f"image.repository={repository},image.tag={tag}"]


if __name__ == "__main__":
    sys.exit(main())
