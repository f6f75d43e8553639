"""Every experiment renders to the manifests and notes kept in tests/data/goldens, with Helm 3 and Helm 4.

The changes by a cluster file are kept as the difference from the experiment's own golden: one line per removed (-) or
added (+) value, with HASH for the hashes in names. `make goldens` rewrites all of them; the diff then shows the effect
of a chart change on every experiment.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "vlm-sft"
GOLDENS = ROOT / "tests" / "data" / "goldens"
EXPERIMENTS = sorted((ROOT / "values").glob("*.yaml"))
CLUSTERS = sorted((ROOT / "values" / "clusters").glob("*.yaml"))
HASH = re.compile(r"\b[0-9a-f]{8}\b")

Helm = Callable[..., subprocess.CompletedProcess[str]]


def release(values: Path) -> str:
    """Return a release name for a values file: no release has a dot."""
    return values.stem.replace(".", "-")


@pytest.mark.parametrize("values", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_renders_as_its_golden(run_helm: Helm, update_goldens: bool, values: Path) -> None:
    command = ["template", release(values), CHART, "-f", values, "--kube-version", "1.31"]
    rendered = {major: run_helm(*command, major=major) for major in (3, 4)}
    assert [done.returncode for done in rendered.values()] == [0, 0], [done.stderr for done in rendered.values()]
    assert rendered[3].stdout == rendered[4].stdout
    notes = run_helm("install", release(values), CHART, "-f", values, "--dry-run=client").stdout.partition(
        "\nNOTES:\n"
    )[2]
    for file, text in (
        (GOLDENS / f"{values.stem}.yaml", rendered[4].stdout),
        (GOLDENS / f"{values.stem}.notes.txt", notes),
    ):
        if update_goldens:
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file.name} differs; `make goldens`, then read the diff"


@pytest.mark.parametrize("cluster", CLUSTERS, ids=lambda path: path.stem)
def test_every_cluster_file_changes_what_its_golden_lists(run_helm: Helm, update_goldens: bool, cluster: Path) -> None:
    sections = []
    for values in EXPERIMENTS:
        command = ["template", release(values), CHART, "-f", cluster, "-f", values, "--kube-version", "1.31"]
        done = run_helm(*command)
        assert done.returncode == 0, done.stderr
        own = (GOLDENS / f"{values.stem}.yaml").read_text(encoding="utf-8")
        sections.append(f"{values.stem}\n{difference(own, done.stdout)}")
    file = GOLDENS / "clusters" / f"{cluster.stem}.txt"
    if update_goldens:
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(sections), encoding="utf-8")
    assert "\n".join(sections) == file.read_text(encoding="utf-8"), f"{file.name} differs; `make goldens`"


def difference(before: str, after: str) -> str:
    """Return the values removed and added between two renderings: `+ Job/x-train-HASH spec.suspend: true`."""
    old, new = (dict(flat(text)) for text in (before, after))
    lines = [
        f"  {sign} {path}: {values[path]}\n"
        for path in dict.fromkeys([*old, *new])
        for sign, values, others in (("-", old, new), ("+", new, old))
        if path in values and values[path] != others.get(path)
    ]
    return "".join(lines)


def flat(text: str) -> Iterator[tuple[str, str]]:
    """Yield path and value of every leaf of every manifest, with HASH for hashes."""

    def leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict) and value and not path.endswith("Selector"):
            for key, child in value.items():
                yield from leaves(child, f"{path}.{key}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, child in enumerate(value):
                yield from leaves(child, f"{path}[{child.get('name', number)}]")
        else:
            yield HASH.sub("HASH", path), HASH.sub("HASH", json.dumps(value))

    for manifest in filter(None, yaml.safe_load_all(text)):
        yield from leaves(manifest, f"{manifest['kind']}/{manifest['metadata']['name']} ")


def test_every_golden_has_its_values_file() -> None:
    names = {path.name.removesuffix(".yaml").removesuffix(".notes.txt") for path in GOLDENS.iterdir() if path.is_file()}
    assert names == {path.stem for path in EXPERIMENTS}
    assert {path.stem for path in (GOLDENS / "clusters").iterdir()} == {path.stem for path in CLUSTERS}


@pytest.mark.parametrize("major", [3, 4])
def test_helm_lint_finds_nothing(run_helm: Helm, major: int) -> None:
    for values in EXPERIMENTS:
        done = run_helm("lint", "--strict", CHART, "-f", values, major=major)
        assert done.returncode == 0, done.stdout
        assert "[WARNING]" not in done.stdout + done.stderr
