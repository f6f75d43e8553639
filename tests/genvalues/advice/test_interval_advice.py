"""The warning of checkpoints or validations that come later than the run ends."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
ROWS = "model: {id: a/b}\ntrain:\n  dataset: [a/b#1000, c.jsonl#600]\n  gpusPerNode: 4\n  effectiveBatchSize: 32\n"
START = "nothing is saved before its end, and an interrupted run starts from the beginning"


def warnings(folder: Path, args: str, more: str = "") -> list[str]:
    (folder / "v.yaml").write_text(f"{ROWS}{more}  args: {args}\n")
    problems = load_experiment(load_chart(CHART), folder / "v.yaml", [], []).problems
    assert all(problem.severity == "warning" for problem in problems), problems
    return [f"{problem.line}: {problem.text}" for problem in problems]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("{num_train_epochs: 1, save_steps: 51}",
         [f"6: train.args.save_steps: 51 is more than the 50 optimizer steps of the run (1600 samples x 1 epochs / 32 a step): {START}; use 12, or 0.25 for a quarter of any run"]),
        ("{num_train_epochs: 1, save_steps: 50}", []),
        ("{num_train_epochs: 2.5, save_steps: \"126\"}",
         [f"6: train.args.save_steps: 126 is more than the 125 optimizer steps of the run (1600 samples x 2.5 epochs / 32 a step): {START}; use 31, or 0.25 for a quarter of any run"]),
        ("{}", [f"6: train.args.save_steps: not set, and the default of 500 is more than the 150 optimizer steps of the run (1600 samples x 3 epochs / 32 a step): {START}; use 37, or 0.25 for a quarter of any run"]),
        ("{max_steps: 2, save_steps: 3}", [f"6: train.args.save_steps: 3 is more than the 2 optimizer steps of the run (train.args.max_steps: 2): {START}; use 1, or 0.25 for a quarter of any run"]),
        ("{max_steps: 1000}", []),
        ("{save_strategy: epoch, save_steps: 5000}", []),
        ("{save_steps: 0.5}", []),
    ],
)  # fmt: skip
def test_checkpoints_after_the_end_of_the_run_are_reported(tmp_path: Path, args: str, said: list[str]) -> None:
    assert warnings(tmp_path, args) == said


def test_a_validation_after_the_end_of_the_run_is_reported(tmp_path: Path) -> None:
    args = "{save_steps: 10, eval_steps: 151}"
    assert warnings(tmp_path, args, "  valDataset: [v.jsonl]\n") == [
        "7: train.args.eval_steps: 151 is more than the 150 optimizer steps of the run (1600 samples x 3 epochs / 32 a step): it is validated at its end only; use 37, or 0.25 for a quarter of any run"
    ]
    assert warnings(tmp_path, "{save_steps: 10, eval_steps: 150}", "  valDataset: [v.jsonl]\n") == []
    assert (
        warnings(tmp_path, "{save_steps: 10, eval_steps: 151, eval_strategy: epoch}", "  valDataset: [v.jsonl]\n") == []
    )


def test_nothing_is_reported_when_the_length_of_the_run_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(ROWS.replace("c.jsonl#600", "c.jsonl") + "  args: {save_steps: 100000}\n")
    assert load_experiment(load_chart(CHART), tmp_path / "v.yaml", [], []).problems == []
