"""The experiments in values/ are valid, and every mistake in one is reported at its line in one run."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

from click.testing import CliRunner
from vlm_sft.genvalues.cli import main
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart

ROOT = Path(__file__).parents[2]

# (what stands in values/fire-4gpu.yaml, what is put there, all that is said about that line)
MISTAKES = [
    ("  id: Qwen/Qwen3-VL-32B-Instruct", "  id: Qwen/Qwen3 VL", 'model.id: got "Qwen/Qwen3 VL" (string), need a string matching ^(/\\S+|[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?)?$; e.g. "Qwen/Qwen3-VL-32B-Instruct"'),
    ("  dataset: fire", "  dataset: fyre", 'prepare.dataset: got "fyre" (string), need one of "", "fire", "volcano", "geo3k", "robo2vlm", "alpaca", "oasst1", "jsonl", "csv", "hub"; did you mean fire?'),
    ("  gpusPerNode: 4", "  gpuPerNode: 4", "train.gpuPerNode: no such key; did you mean train.gpusPerNode?"),
    ("  batchSizePerGpu: 1", '  batchSizePerGpu: "1"', 'train.batchSizePerGpu: got "1" (string), need an integer >= 1 [samples]; e.g. 1; drop the quotes'),
    ("  gradientAccumulationSteps: 16", "  gradientAccumulationSteps: 0", "train.gradientAccumulationSteps: got 0 (integer), need an integer or null >= 1 [forward passes]; e.g. 16"),
    ("  effectiveBatchSize: 64", "  effectiveBatchSize: 63", "train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64"),
    ("  sharding: zero3", "  sharding: zero4", 'train.sharding: got "zero4" (string), need one of "ddp", "zero2", "zero3", "fsdp2"; did you mean zero3?'),
    ("    lora_rank: 32", "    lora_rnk: 32", "train.args.lora_rnk: swift sft of ms-swift 4.6.0 has no such argument; did you mean train.args.lora_rank?"),
    ("    learning_rate: 1.0e-4", "    learning_rate: small", 'train.args.learning_rate: got "small" (string), need a number'),
    ("    eval_steps: 500", "    deepspeed: zero2", "train.args.deepspeed: set, but the chart sets it from train.sharding; remove it here"),
    ("  env: {IMAGE_MAX_TOKEN_NUM: 2048}", "  env: {NNODES: 2}", "train.env.NNODES: set, but the chart sets it from train.nodes; remove it here"),
    ("    requests: {cpu: 32, memory: 128Gi}", "    requests: {cpu: 32, memory: 128GB}", 'train.resources.requests.memory: got "128GB" (string), need a string or an integer or a number >= 0 matching ^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$ (Kubernetes quantity); e.g. "64Gi"'),
    ("  shmSize: 64Gi", "  shmSize: 640Gi", "train.shmSize: 640Gi is more than the memory limit of 256Gi, which includes it; lower it, or raise the limit"),
    ("  minFreeGib: 50", "  minFreeGib: -50", "train.minFreeGib: got -50 (integer), need a number >= 0 [GiB]; e.g. 50"),
]  # fmt: skip


def test_every_shipped_experiment_is_right() -> None:
    result = CliRunner().invoke(
        main, ["validate", "--strict", str(ROOT / "values"), "--chart", str(ROOT / "charts/vlm-sft")]
    )
    assert result.exit_code == 0, result.stderr


def test_seeded_mistakes_are_all_reported_at_their_lines_with_their_way_out_in_one_run(tmp_path: Path) -> None:
    lines = (ROOT / "values" / "fire-4gpu.yaml").read_text().splitlines()
    file, expected = tmp_path / "fire-4gpu.yaml", []
    for right, wrong, message in MISTAKES:
        at = next(number for number, line in enumerate(lines) if line.startswith(right))
        lines[at] = lines[at].replace(right, wrong)
        expected.append(f"error: {file}:{at + 1}: {message}")
    file.write_text("\n".join(lines) + "\n")
    result = CliRunner().invoke(main, ["validate", str(file), "--chart", str(ROOT / "charts/vlm-sft")])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == expected


def test_lora_settings_with_full_tuning_are_reported_each_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "v.yaml"
    file.write_text((ROOT / "values" / "fire-4gpu.yaml").read_text().replace("tuner_type: lora", "tuner_type: full"))
    problems = load_experiment(load_chart(ROOT / "charts" / "vlm-sft"), file, [], []).problems
    assert [(p.line, p.key) for p in problems if p.severity == "error"] == [
        (33, "train.args.lora_rank"),
        (34, "train.args.lora_alpha"),
        (35, "train.args.lora_dropout"),
        (36, "train.args.target_modules"),
    ]
