"""`genvalues diff`: the differences between two runs, with diff's exit codes."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vlm_sft.genvalues.cli import main

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "vlm-sft"
BASE = """\
model: {id: Qwen/Qwen3-8B}
train:
  gpusPerNode: 2
  dataset: [org/rows]
  effectiveBatchSize: 32
  args: {tuner_type: lora, learning_rate: 1.0e-4, max_length: 2048}
"""
PEAK = "<peak> GiB peak of each GPU, <low> to <high>"  # figures are those of `genvalues memory`, see below


@pytest.fixture
def diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Diff":
    monkeypatch.chdir(tmp_path)
    return Diff()


class Diff:
    """Compares BASE with BASE after some replacements."""

    def __call__(self, *replacements: tuple[str, str], options: tuple[str, ...] = ()) -> Result:
        text = BASE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        Path("a.yaml").write_text(BASE)
        Path("b.yaml").write_text(text)
        return CliRunner().invoke(main, ["diff", "a.yaml", "b.yaml", "--chart", str(CHART), *options])


def lines(result: Result) -> list[str]:
    """Return the output with the predicted peak, which is another test's business, as PEAK."""
    return re.sub(r"[\d.]+ GiB peak of each GPU, [\d.]+ to [\d.]+", PEAK, result.stdout).splitlines()


def test_a_file_is_the_same_run_as_itself(diff: Diff) -> None:
    result = diff()
    assert result.exit_code == 0
    assert lines(result) == [
        "--- a.yaml",
        "+++ b.yaml",
        "  32 samples per optimizer step = 1 per GPU x 16 accumulation x 2 GPUs",
        "  at most 65,536 tokens per optimizer step = 32 samples x 2048 of train.args.max_length",
        f"  {PEAK}",
        "# the same run",
    ]


def test_another_spelling_is_the_same_run(diff: Diff) -> None:
    result = diff(("effectiveBatchSize: 32", "gradientAccumulationSteps: 16"), ("1.0e-4", "0.0001"))
    assert result.exit_code == 0
    assert result.stdout.endswith("# the same run\n")


def test_more_gpus_with_the_same_batch_change_the_factors_only(diff: Diff) -> None:
    result = diff(("gpusPerNode: 2", "gpusPerNode: 4"))
    assert result.exit_code == 1
    assert lines(result)[2:] == [
        "- 32 samples per optimizer step = 1 per GPU x 16 accumulation x 2 GPUs",
        "+ 32 samples per optimizer step = 1 per GPU x 8 accumulation x 4 GPUs",
        "  at most 65,536 tokens per optimizer step = 32 samples x 2048 of train.args.max_length",
        f"  {PEAK}",
        "# arguments of swift sft",
        "- gradient_accumulation_steps: 16",
        "+ gradient_accumulation_steps: 8",
        "# environment",
        "- NPROC_PER_NODE: 2",
        "+ NPROC_PER_NODE: 4",
        "# continues the same run",
    ]


def test_arguments_are_changed_removed_and_added(diff: Diff) -> None:
    result = diff(("learning_rate: 1.0e-4", "lora_rank: 16, ddp_timeout: null, logging_steps: 1"))
    assert result.exit_code == 1
    shown = lines(result)
    assert shown.pop() == (
        "# starts a new run, because train.args.learning_rate: 0.0001 -> not set, train.args.lora_rank: not set -> 16"
    )
    assert shown[shown.index("# arguments of swift sft") + 1 :] == [
        "- ddp_timeout: 1800",
        "- learning_rate: 0.0001",
        "- logging_steps: 5",
        "+ logging_steps: 1",
        "+ lora_rank: 16",
    ]


def test_what_is_no_argument_of_ms_swift_is_among_the_other_values(diff: Diff) -> None:
    result = diff(
        ("train:\n", "train:\n  shmSize: 32Gi\n  ttlSecondsAfterFinished: 60\n"),
        ("model:", "gpu: {nodeSelector: {gpu: a100}}\nmodel:"),
    )
    assert result.exit_code == 1
    shown = lines(result)
    assert shown[5:] == [
        "# other values",
        '- train.shmSize: "16Gi"',
        '+ train.shmSize: "32Gi"',
        '+ gpu.nodeSelector.gpu: "a100"',
        "+ train.ttlSecondsAfterFinished: 60",
        "# continues the same run",
    ]


def test_an_experiment_without_training_has_no_run(diff: Diff) -> None:
    result = diff(("train:\n", "train:\n  enabled: false\n"))
    shown = lines(result)
    assert result.exit_code == 1
    assert "- 32 samples per optimizer step = 1 per GPU x 16 accumulation x 2 GPUs" in shown
    assert "- learning_rate: 0.0001" in shown
    assert [line for line in shown[2:] if line.startswith("+")] == ["+ train.enabled: false"]


def test_an_unknown_model_has_no_memory_and_the_reason_is_shown(diff: Diff) -> None:
    result = diff(("Qwen/Qwen3-8B", "org/Other-8B"))
    assert f"- {PEAK}" in lines(result)
    assert "+ peak of each GPU not known: model.id: the sizes of 'org/Other-8B' are not known; " in result.stdout
    assert '- model: "Qwen/Qwen3-8B"\n+ model: "org/Other-8B"\n' in result.stdout
    shown = lines(result)
    assert shown.pop() == '# starts a new run, because model.id: "Qwen/Qwen3-8B" -> "org/Other-8B"'
    assert "model.id:" not in "\n".join(shown).partition("# arguments")[2]


def test_options_hold_for_both_files(diff: Diff) -> None:
    result = diff(("learning_rate: 1.0e-4", "learning_rate: 2.0e-4"), options=("--set", "train.args.learning_rate=1"))
    assert result.exit_code == 0


def test_errors_of_both_files_are_reported_with_exit_code_2(diff: Diff) -> None:
    Path("c.yaml").write_text(BASE.replace("gpusPerNode: 2", "gpusPerNode: 3"))
    result = CliRunner().invoke(main, ["diff", "c.yaml", "c.yaml", "--chart", str(CHART)])
    assert (result.exit_code, result.stdout) == (2, "")
    message = "train.effectiveBatchSize: 32 is not a multiple of 3 (1 per GPU x 3 GPUs); use 30 or 33"
    assert result.stderr == f"error: c.yaml:5: {message}\n"
    missing = CliRunner().invoke(main, ["diff", "c.yaml", "none.yaml", "--chart", str(CHART)])
    assert (missing.exit_code, missing.stderr) == (
        2,
        f"error: c.yaml:5: {message}\nerror: none.yaml: no such file\n",
    )
    assert CliRunner().invoke(main, ["diff", "c.yaml"]).exit_code == 2


def test_the_peaks_are_those_of_genvalues_memory(diff: Diff) -> None:
    shown = diff(("max_length: 2048", "max_length: 16384")).stdout
    for mark, file in (("-", "a.yaml"), ("+", "b.yaml")):
        sized = CliRunner().invoke(main, ["memory", file, "--chart", str(CHART)]).stdout.splitlines()
        peak, band = sized[-2].split()[0], sized[-1].split(" GiB by")[0].strip()
        assert f"{mark} {float(peak):.1f} GiB peak of each GPU, {band}\n" in shown


def test_gpus_that_share_a_row_take_more_passes_for_the_same_batch(diff: Diff) -> None:
    shown = lines(diff(("  args: ", "  parallel: {sequence: 2}\n  args: ")))
    assert shown[2:4] == [
        "- 32 samples per optimizer step = 1 per GPU x 16 accumulation x 2 GPUs",
        "+ 32 samples per optimizer step = 1 per GPU x 32 accumulation x 1 data-parallel ranks (2 GPUs / 2)",
    ]
    assert shown[-2:] == [
        "+ sequence_parallel_size: 2",
        "# starts a new run, because train.parallel.sequence: not set -> 2",
    ]


@pytest.mark.parametrize(
    ("replacement", "last"),
    [
        (("1.0e-4", "2.0e-4"), "starts a new run, because train.args.learning_rate: 0.0001 -> 0.0002"),
        (("1.0e-4", '"1e-4", logging_steps: 1'), "continues the same run"),
        (("32", "64"), "starts a new run, because train.effectiveBatchSize: 32 -> 64"),
        (("  gpusPerNode", "  env: {A: 1}\n  gpusPerNode"), "starts a new run, because train.env.A: not set -> 1"),
        (("  gpusPerNode: 2", "  sharding: zero2\n  gpusPerNode: 2"),
         'starts a new run, because train.sharding: not set -> "zero2"'),
        (("  gpusPerNode: 2", "  batchSizePerGpu: 2\n  gpusPerNode: 4"), "continues the same run"),
        (("train:", "prepare: {commands: [['true']], dataset: fire, systemPrompt: Short., maxSamples: 9}\ntrain:"),
         "continues the same run, unless the rows change by prepare.dataset, prepare.maxSamples, prepare.systemPrompt"),
    ],
)  # fmt: skip
def test_the_last_line_shows_whether_the_run_continues(diff: Diff, replacement: tuple[str, str], last: str) -> None:
    assert lines(diff(replacement))[-1] == f"# {last}"


@pytest.mark.parametrize(
    ("option", "replacement", "refusal"),
    [
        ("train.sharding=zero3", ("gpusPerNode: 2", "gpusPerNode: 4"),
         "2 -> 4 GPUs, but with deepspeed zero3 only the same number can continue"),
        ("train.args.task_type=embedding", ("gpusPerNode: 2", "gpusPerNode: 2\n  batchSizePerGpu: 2"),
         "train.batchSizePerGpu: 1 -> 2, but with task_type embedding another one changes the loss"),
    ],
)  # fmt: skip
def test_what_the_trainer_would_refuse_is_shown(
    diff: Diff, option: str, replacement: tuple[str, str], refusal: str
) -> None:
    result = diff(replacement, options=("--set", option))
    assert lines(result)[-1] == f"# is refused once there is a checkpoint: {refusal}"
