"""Every experiment renders to the manifests and notes kept in tests/data/goldens, with Helm 3 and Helm 4.

`make goldens` writes them anew; the diff is what a change of the chart does to every experiment.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "vlm-sft"
GOLDENS = ROOT / "tests" / "data" / "goldens"
EXPERIMENTS = sorted((ROOT / "values").glob("*.yaml"))

Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("values", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_renders_as_its_golden(run_helm: Helm, update_goldens: bool, values: Path) -> None:
    command = ["template", values.stem, CHART, "-f", values, "--kube-version", "1.31"]
    rendered = {major: run_helm(*command, major=major) for major in (3, 4)}
    assert [done.returncode for done in rendered.values()] == [0, 0], [done.stderr for done in rendered.values()]
    assert rendered[3].stdout == rendered[4].stdout
    notes = run_helm("install", values.stem, CHART, "-f", values, "--dry-run=client").stdout.partition("\nNOTES:\n")[2]
    for file, text in (
        (GOLDENS / f"{values.stem}.yaml", rendered[4].stdout),
        (GOLDENS / f"{values.stem}.notes.txt", notes),
    ):
        if update_goldens:
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file.name} differs; `make goldens`, then read the diff"


def test_no_golden_is_left_of_an_experiment_that_is_gone() -> None:
    names = {path.name.partition(".")[0] for path in GOLDENS.iterdir()}
    assert names == {path.stem for path in EXPERIMENTS}


@pytest.mark.parametrize("major", [3, 4])
def test_helm_lint_has_nothing_to_say(run_helm: Helm, major: int) -> None:
    for values in EXPERIMENTS:
        done = run_helm("lint", "--strict", CHART, "-f", values, major=major)
        assert done.returncode == 0, done.stdout
        assert "[WARNING]" not in done.stdout + done.stderr
