"""The image's requirements are consistent. Building the image needs a container engine and is not part of the tests."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([a-z0-9_.-]+)==(\S+)", re.MULTILINE)


def pins(path: str) -> dict[str, str]:
    """Return the pinned version of each package of a requirements file."""
    return dict(PIN.findall((ROOT / path).read_text()))


def test_every_package_is_pinned_and_hashed_and_no_url_is_named() -> None:
    files = ["python/requirements.txt", "python/requirements-dev.txt", *map(str, (ROOT / "docker").glob("*.txt"))]
    for file in files:
        text = (ROOT / file).read_text()
        blocks = re.split(r"^(?=[a-z0-9_.-]+==)", text, flags=re.MULTILINE)[1:]
        assert blocks, file
        assert all("--hash=sha256:" in block for block in blocks), file
        assert "://" not in text, file


def test_the_cuda_variant_adds_packages_and_changes_none() -> None:
    base = pins("python/requirements.txt")
    assert not base.keys() & (pins("docker/requirements-cuda.txt") | pins("docker/requirements-flash-attn.txt")).keys()


def test_the_development_requirements_contain_those_of_the_image() -> None:
    image, development = pins("python/requirements.txt"), pins("python/requirements-dev.txt")
    assert {name: development.get(name) for name in image} == image


def test_the_base_is_pinned_by_digest_and_nothing_runs_as_root() -> None:
    text = (ROOT / "docker/Dockerfile").read_text()
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert text.index("USER 1000:1000") > text.rindex("\nRUN ")
    copied = re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)
    assert all((ROOT / path).exists() for paths in copied for path in paths.split())


def test_extra_packages_keep_the_pinned_versions_that_results_depend_on(tmp_path: Path) -> None:
    text = (ROOT / "docker/Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^RUN (if .*EXTRAS.*)$", text, re.MULTILINE)
    pip = tmp_path / "pip"  # a stand-in that notes what it is asked for
    pip.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$1" != freeze ] || cat {tmp_path}/installed\n')
    pip.chmod(0o755)
    (tmp_path / "installed").write_text("ms_swift==4.6.0\nprotobuf==7.36.2\ntorch==2.15.0\ntorchcodec==1\n")
    line = line.replace("/tmp/pinned.txt", f"{tmp_path}/pinned.txt")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", line], check=True, env={"PATH": path, "EXTRAS": ""})
    assert not (tmp_path / "asked").exists()
    subprocess.run(["sh", "-ec", line], check=True, env={"PATH": path, "EXTRAS": "wandb==0.31.0 mlflow"})
    install = f"install --constraint {tmp_path}/pinned.txt wandb==0.31.0 mlflow"
    assert (tmp_path / "asked").read_text().splitlines() == ["freeze", install, "check"]
    assert (tmp_path / "pinned.txt").read_text().splitlines() == ["ms_swift==4.6.0", "torch==2.15.0"]
