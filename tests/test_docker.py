"""The image's requirements are consistent. Building the image needs a container engine and is not part of the tests."""

import re
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
