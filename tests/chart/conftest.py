"""Helm for the chart tests: values in, manifests or `fail` messages out."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "vlm-sft"

Values = dict[str, Any]
Manifest = dict[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write tests/data/goldens and the table in README.md"
    )


@pytest.fixture(scope="session")
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether to write generated files instead of comparing them."""
    return bool(request.config.getoption("--update-goldens", default=False))


def helm_binary(major: int) -> str:
    """Return $HELM3 or $HELM4, else the binary that `make setup` downloaded."""
    path = Path(os.environ.get(f"HELM{major}") or ROOT / ".tools" / f"helm{major}" / "helm")
    assert path.is_file(), f"{path} is missing; run `make setup` or set HELM{major}"
    return str(path)


def as_yaml(values: Values) -> str:
    """Return values as JSON that is valid YAML: strings quoted, and no surrogate pairs, which YAML does not support."""
    pair = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")
    code = lambda m: f"\\U{0x10000 + (int(m[1], 16) - 0xD800) * 0x400 + int(m[2], 16) - 0xDC00:08x}"  # noqa: E731
    return pair.sub(code, json.dumps(values))


@pytest.fixture(scope="session")
def run_helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function (*arguments, major=4) that runs Helm."""

    def run(
        *arguments: str | Path, major: int = 4, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [helm_binary(major), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})

    return run


@pytest.fixture(scope="session")
def template(
    run_helm: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function (*values, release="x", chart=CHART) that renders; each of `values` is a path or a mapping."""
    folder = tmp_path_factory.mktemp("values")
    before: dict[str, subprocess.CompletedProcess[str]] = {}

    def run(*values: Path | Values, release: str = "x", chart: Path = CHART) -> subprocess.CompletedProcess[str]:
        options: list[str | Path] = []
        for number, item in enumerate(values):
            file = item if isinstance(item, Path) else folder / f"{number}.yaml"
            if not isinstance(item, Path):
                file.write_text(as_yaml(item), encoding="utf-8")
            options += ["-f", file]
        key = "\0".join([release, str(chart), *(Path(file).read_text(encoding="utf-8") for file in options[1::2])])
        if key not in before or chart != CHART:
            before[key] = run_helm("template", release, chart, *options, "--kube-version", "1.31")
        return before[key]

    return run


@pytest.fixture(scope="session")
def render(template: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., list[Manifest]]:
    """Return a function like `template` that returns the manifests."""

    def run(*values: Path | Values, **options: Any) -> list[Manifest]:
        done = template(*values, **options)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return run


@pytest.fixture(scope="session")
def fail_lines(template: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., list[str]]:
    """Return a function like `template` that returns the lines of the chart's `fail`; none if the chart renders."""

    def run(*values: Path | Values, **options: Any) -> list[str]:
        done = template(*values, **options)
        if done.returncode == 0:
            return []
        message = re.search(r"execution error at \([^)]*\): \n(.*?)\n\n", done.stderr, re.DOTALL)
        assert message, done.stderr
        return message[1].splitlines()

    return run


@pytest.fixture(scope="session")
def everything() -> Path:
    """Values with every workload enabled."""
    return ROOT / "tests" / "data" / "chart" / "everything.yaml"
