"""Warnings about runs that work and are seldom meant."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
TRAIN = "model: {id: a/b}\ntrain:\n  dataset: [a.jsonl]\n  effectiveBatchSize: 16\n  args:\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("learning_rate: 1.0e-2", ["6: train.args.learning_rate: 0.01 is unusual for LoRA, where 1e-05 to 0.001 is usual; check the exponent"]),
        ("learning_rate: 1.0e-4", []),
        ('learning_rate: "1e-4"', []),
        ("{learning_rate: 1.0e-3, tuner_type: full}",
         ["6: train.args.learning_rate: 0.001 is unusual for full tuning, where 1e-07 to 0.0001 is usual; check the exponent"]),
        ("eval_steps: 100", ["6: train.args.eval_steps: set, but training has no validation set; name train.valDataset, or remove it"]),
        ("{eval_steps: 100, split_dataset_ratio: 0.01}", []),
        ("eval_strategy: 'no'", []),
    ],
)  # fmt: skip
def test_an_odd_setting_is_a_warning(args: str, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(f"{TRAIN}    {args}\n")
    problems = load_experiment(load_chart(CHART), tmp_path / "v.yaml", [], []).problems
    assert [f"{problem.line}: {problem.text}" for problem in problems] == said
    assert all(problem.severity == "warning" for problem in problems)
