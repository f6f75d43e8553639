"""Each file in tests/data/genvalues/bad starts with the exact lines that `genvalues validate` prints about it."""

from pathlib import Path

import pytest
from vlm_sft.genvalues.commands.report_format import as_text
from vlm_sft.genvalues.experiment import find_experiments, load_experiment
from vlm_sft.genvalues.values.chart import load_chart

DATA = Path(__file__).parents[2] / "data" / "genvalues"
BAD = sorted((DATA / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_gets_the_message_in_its_header(helm: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    lines = path.read_text().splitlines()
    expected = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    experiment = load_experiment(load_chart(DATA / "chart", str(helm)), Path(path.name))
    assert as_text(experiment.problems).splitlines() == expected


def test_all_problems_of_all_files_come_in_one_run() -> None:
    chart = load_chart(DATA / "chart")
    found = {
        Path(problem.file).name
        for file in find_experiments([DATA / "bad"])
        for problem in load_experiment(chart, file).problems
    }
    assert found == {path.name for path in BAD}
