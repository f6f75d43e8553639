"""`genvalues batch`, `memory` and `hours` as a person types them."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from vlm_sft.genvalues.commands.sizing import batch, hours, memory

ROOT = Path(__file__).parents[3]
FIRE = str(ROOT / "values" / "fire-4gpu.yaml")
CHART = ["--chart", str(ROOT / "charts" / "vlm-sft")]


def test_batch_shows_the_product_and_the_steps() -> None:
    result = CliRunner().invoke(batch, [FIRE, *CHART, "--samples", "105001"])
    assert result.exit_code == 0
    assert result.stdout == (
        "64 samples per optimizer step = 1 per GPU x 16 accumulation x 4 GPUs\n"
        "1641 optimizer steps per epoch from 105001 samples, 1641 in all\n"
        "1 samples of each epoch are left out: ms-swift gives every rank the same number\n"
    )


def test_batch_leaves_out_the_rows_that_are_split_off(tmp_path: Path) -> None:
    file = tmp_path / "v.yaml"
    file.write_text(
        "model: {id: a/b}\ntrain:\n  dataset: [a/b]\n  effectiveBatchSize: 16\n  args: {split_dataset_ratio: 0.01}\n"
    )
    result = CliRunner().invoke(batch, [str(file), *CHART, "--samples", "1666"])
    assert result.stdout == (
        "16 samples per optimizer step = 1 per GPU x 16 accumulation x 1 GPUs\n"
        "16 of 1666 samples are split off for validation (split_dataset_ratio 0.01)\n"
        "104 optimizer steps per epoch from 1650 samples, 312 in all\n"
    )
    named = CliRunner().invoke(batch, [str(file), *CHART, "--samples", "1666", "--set", "train.valDataset={c/d}"])
    assert "from 1666 samples" in named.stdout


def test_batch_reaches_a_target_without_a_file() -> None:
    result = CliRunner().invoke(batch, ["--target", "6", "--gpus", "2"])
    assert result.stdout == (
        "6 on 2 GPUs:\n"
        "  6 = train.batchSizePerGpu: 3, train.gradientAccumulationSteps: 1\n"
        "  6 = train.batchSizePerGpu: 1, train.gradientAccumulationSteps: 3\n"
    )


def test_batch_with_nothing_is_a_usage_error() -> None:
    result = CliRunner().invoke(batch, [])
    assert result.exit_code == 2
    assert "give FILE, or --target and --gpus" in result.stderr


@pytest.mark.parametrize(("gpu", "code", "verdict"), [("a100-80g", 0, "fits 79.2 GiB"), ("l4", 1, "does not fit 22")])
def test_memory_shows_whether_it_fits(gpu: str, code: int, verdict: str) -> None:
    result = CliRunner().invoke(memory, [FIRE, *CHART, "--gpu", gpu])
    assert result.exit_code == code
    assert verdict in result.stdout
    assert result.stdout.startswith(
        "33,357,390,064 parameters, 268,435,456 trained; 8192 tokens a row, at most 2048 of images\n"
    )
    assert ("what would make it fit, cheapest first:" in result.stdout) == bool(code)


def test_hours_are_shown_with_the_published_range() -> None:
    result = CliRunner().invoke(hours, [FIRE, *CHART, "--samples", "1000", "--gpu", "h100-80g"])
    assert result.exit_code == 0
    assert "16 optimizer steps, 1024 rows of 8192, 8.39e+06 tokens\n" in result.stdout
    assert "4 x H100 SXM 80 GB at 30% of 989 TFLOP/s" in result.stdout
    assert "h at the published 30% to 40%" in result.stdout


def test_hours_without_samples_ask_for_them() -> None:
    result = CliRunner().invoke(hours, [FIRE, *CHART])
    assert result.exit_code == 1
    assert result.stderr == (
        "error: train.dataset: the number of rows is not known; give --samples N or --stats stats.json\n"
    )


def test_a_wrong_file_is_reported_and_not_sized(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("train: {batchSizePerGpu: many}\n")
    result = CliRunner().invoke(memory, [str(wrong), *CHART])
    assert result.exit_code == 1
    assert "train.batchSizePerGpu" in result.stderr
    assert result.stdout == ""


def test_sizing_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, vlm_sft.genvalues.commands.sizing as cli\n"
        f"try: cli.memory([{FIRE!r}, '--chart', {CHART[1]!r}, '--gpu', 'a100-80g'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
