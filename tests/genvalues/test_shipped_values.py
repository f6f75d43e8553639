"""The experiments in values/ are right, and a mistake put into one is told at its line, all mistakes in one run."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from click.testing import CliRunner
from vlm_sft.genvalues.chart import load_chart
from vlm_sft.genvalues.cli import main
from vlm_sft.genvalues.experiment import load_experiment

ROOT = Path(__file__).parents[2]

# (what stands in values/fire-4gpu.yaml, what is put there, how the message starts)
MISTAKES = [
    ("  batchSizePerGpu: 1", "  batchSizePerGPU: 1", "train.batchSizePerGPU: no such key; did you mean train.batchSizePerGpu?"),
    ("  gpusPerNode: 4", "  gpusPerNode: four", 'train.gpusPerNode: got "four" (string), need an integer >= 1'),
    ("  sharding: zero3", "  sharding: zero4", 'train.sharding: got "zero4" (string), need one of "ddp", "zero2", "zero3", "fsdp2"'),
    ("    lora_rank: 32", "    lora_rnk: 32", "train.args.lora_rnk: swift sft of ms-swift 4.6.0 has no such argument; did you mean train.args.lora_rank?"),
    ("    learning_rate: 1.0e-4", "    learning_rate: small", 'train.args.learning_rate: got "small" (string), need a number'),
    ("  shmSize: 64Gi", "  shmSize: 64GB", 'train.shmSize: got "64GB" (string), need a string'),
    ("  dataset: fire", "  dataset: fyre", 'prepare.dataset: got "fyre" (string), need one of'),
]  # fmt: skip
RULES = [
    ("  effectiveBatchSize: 64", "  effectiveBatchSize: 63", "train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64"),
    ("    tuner_type: lora", "    tuner_type: full", "train.args.lora_rank: set, but train.args.tuner_type is full"),
    ("    eval_steps: 500", "    deepspeed: zero2", "train.args.deepspeed: set, but the chart sets it from train.sharding; remove it here"),
]  # fmt: skip


def test_every_shipped_experiment_is_right() -> None:
    result = CliRunner().invoke(
        main, ["validate", "--strict", str(ROOT / "values"), "--chart", str(ROOT / "charts/vlm-sft")]
    )
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("mistakes", [MISTAKES, RULES], ids=["schema and arguments", "chart rules"])
def test_seeded_mistakes_are_all_told_at_their_lines(mistakes: list[tuple[str, str, str]], tmp_path: Path) -> None:
    lines = (ROOT / "values" / "fire-4gpu.yaml").read_text().splitlines()
    expected = []
    for right, wrong, message in mistakes:
        at = next(number for number, line in enumerate(lines) if line.startswith(right))
        lines[at] = lines[at].replace(right, wrong)
        if "lora_rank: set" in message:
            at = next(number for number, line in enumerate(lines) if line.startswith("    lora_rank"))
        expected.append((at + 1, message))
    file = tmp_path / "fire-4gpu.yaml"
    file.write_text("\n".join(lines) + "\n")
    problems = load_experiment(load_chart(ROOT / "charts" / "vlm-sft"), file, [], []).problems
    for line, message in expected:
        assert any(p.line == line and p.text.startswith(message) for p in problems), (line, message, problems)
