"""The image of docker/Dockerfile (CPU variant), built without a daemon and pushed to the test cluster's registry.

debootstrap makes the base, because no image registry may be reachable; that is the only difference from
`docker build -f docker/Dockerfile --build-arg VARIANT=cpu .`. Layers are kept below .tools/e2e.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import binaries
from network import CONTROL, inside

STORE = binaries.CACHE / "images"
BUILDAH = ["buildah", "--root", str(STORE), "--runroot", str(STORE.with_name("images-run"))]
BASE = "localhost/e2e-base"
IMAGE = "localhost/vlm-sft:e2e"
DEBIAN = {"buildah": "buildah", "debootstrap": "debootstrap"}
CERTIFICATES = "/etc/ssl/certs"  # of this machine, mounted during the build: the package index may have a private CA


def build() -> None:
    """Build the image; unchanged layers come from earlier builds.

    Raises:
        SystemExit: a command is missing or the build failed.
    """
    missing = sorted({package for command, package in DEBIAN.items() if not shutil.which(command)})
    if missing:
        sys.exit(f"error: {', '.join(missing)}: not installed; apt-get install {' '.join(missing)}")
    if not _exists(BASE):
        _build_base()
    _buildah(
        "build", "--isolation", "chroot", "--layers", "--file", "docker/Dockerfile",
        "--build-arg", f"BASE={BASE}", "--build-arg", "VARIANT=cpu",
        "--build-arg", f"PIP_CERT={CERTIFICATES}/ca-certificates.crt", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro",
        "--tag", IMAGE, str(binaries.ROOT),
    )  # fmt: skip


def push(registry: str) -> str:
    """Push the image from the cluster's network; return its digest.

    Args:
        registry: `host:port` of a registry that speaks plain HTTP.
    """
    return _push(IMAGE, f"{registry}/vlm-sft:e2e")


def push_command(name: str, command: list[str], registry: str, file: Path | None = None) -> str:
    """Push the base with a command, and `file` as the command's program if given; return the image's name."""
    container = _buildah("from", BASE)
    if file is not None:
        _buildah("copy", container, str(file), command[0])
    _buildah("config", "--cmd", json.dumps(command), "--user", "65532", container)
    _buildah("commit", "--rm", container, f"localhost/{name}")
    return f"{registry}/{name}@{_push(f'localhost/{name}', f'{registry}/{name}:e2e')}"


def _push(name: str, target: str) -> str:
    """Push an image with the fastest compression, as the registry is local; return its digest."""
    digest = STORE.with_name("digest")
    options = ["--tls-verify=false", "--compression-format=zstd", "--compression-level=1", f"--digestfile={digest}"]
    command = inside(CONTROL, [*BUILDAH, "push", *options, name, f"docker://{target}"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: buildah push {name}: {done.stderr.strip()}")
    return digest.read_text().strip()


def _build_base() -> None:
    """Build a minimal Debian with the same Python version as the base of the Dockerfile."""
    with tempfile.TemporaryDirectory(dir=binaries.CACHE) as folder:
        root, archive = Path(folder) / "root", Path(folder) / "root.tar"
        packages = "python3,python3-venv,ca-certificates"
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"error: debootstrap: exit code {done.returncode}\n{done.stdout[-2000:]}")
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        container = _buildah("from", "scratch")
        _buildah("add", container, str(archive), "/")
        _buildah("commit", "--rm", container, BASE)


def _exists(name: str) -> bool:
    command = [*BUILDAH, "inspect", "--type", "image", name]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _buildah(*words: str) -> str:
    """Run buildah; its output goes to image.log, and into the error message when it fails."""
    done = subprocess.run([*BUILDAH, *words], cwd=binaries.ROOT, capture_output=True, text=True, check=False)
    with STORE.with_name("image.log").open("a", encoding="utf-8") as log:
        log.write(done.stdout + done.stderr)
    if done.returncode != 0:
        sys.exit(f"error: buildah {words[0]}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout.strip().rpartition("\n")[2]
