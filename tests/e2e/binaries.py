"""The commands of the test cluster, built once from pinned Go modules into .tools/e2e."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "tests" / "e2e" / "tools"
CACHE = ROOT / ".tools" / "e2e"
KUBERNETES = "v1.35.4"
# From the module in tools/, whose go.sum pins them.
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    **{
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        )
    },
}
# Separate modules with other versions of the same libraries, pinned by their own go.sum. The Go checksum database
# verifies the modules themselves.
MODULES = {
    "coredns": ("github.com/coredns/coredns", "v1.14.7", "."),
    "jobset": ("sigs.k8s.io/jobset", "v0.12.0", "."),
    "kueue": ("sigs.k8s.io/kueue", "v0.19.2", "./cmd/kueue"),
}


def folder() -> Path:
    """Return the folder of the commands with these pins."""
    return CACHE / hashlib.sha256((MODULE / "go.sum").read_bytes()).hexdigest()[:12]


def build(*names: str) -> Path:
    """Build the missing commands; return their folder.

    Raises:
        SystemExit: Go is missing or a build failed.
    """
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if command(name).exists():
            continue
        started_s = time.monotonic()
        print(f"building {name}", file=sys.stderr)
        if name in PACKAGES:
            _build_package(name)
        else:
            _compile(MODULES[name][2], command(name), source(name))
        print(f"built {name} in {time.monotonic() - started_s:.0f} s", file=sys.stderr)
    return target


def command(name: str) -> Path:
    """Return the path of a command, built or not."""
    version = f"-{MODULES[name][1]}" if name in MODULES else ""
    return folder() / f"{name}{version}"


def source(name: str) -> Path:
    """Return the folder of a module's source with its manifests; download it if missing."""
    path, version, _ = MODULES[name]
    output = _go(["mod", "download", "-json", f"{path}@{version}"], Path("/"))
    return Path(json.loads(output)["Dir"])


def _build_package(name: str) -> None:
    version = "k8s.io/component-base/version"
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    flags = f"-X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    _compile(PACKAGES[name], command(name), MODULE, flags)


def _compile(package: str, output: Path, cwd: Path, flags: str = "") -> None:
    options = ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {flags}".strip()]
    _go(["build", *options, "-o", str(output), package], cwd)


def _go(words: list[str], cwd: Path) -> str:
    try:
        done = subprocess.run(
            ["go", *words],
            cwd=cwd,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        sys.exit("error: go: not found, need Go 1.25 or newer to build the test cluster; install it")
    if done.returncode != 0:
        sys.exit(f"error: go {' '.join(words)}: exit code {done.returncode}")
    return done.stdout
