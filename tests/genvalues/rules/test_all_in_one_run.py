"""Every mistake in one run: what the schema refuses does not hide what the chart's rules refuse."""

import subprocess
import sys
from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import Chart

ROOT = Path(__file__).parents[3]
MISTAKES = [
    ("effectiveBatchSize: 64", "effectiveBatchSize: 63"),
    ("sharding: zero3", "sharding: zero4"),
    ("lora_rank: 32", "lora_rnk: 32"),
    ("shmSize: 64Gi", "shmSize: 640Gi"),
    ("{cpu: 32,", "{cpu: 320,"),
    ("dataset: fire", "datset: fire"),
]
EXPECTED = [
    "prepare.datset: no such key; did you mean prepare.dataset?",
    "train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64",
    'train.sharding: got "zero4" (string), need one of "ddp", "zero2", "zero3", "fsdp2"; did you mean zero3?',
    "train.args.lora_rnk: swift sft of ms-swift 4.6.0 has no such argument; did you mean train.args.lora_rank?",
    "train.resources.requests.cpu: 320 is more than the limit of 64; raise the limit, or lower the request",
    "train.shmSize: 640Gi is more than the memory limit of 256Gi, which includes it; lower it, or raise the limit",
]


def validate(path: Path) -> list[str]:
    command = [Path(sys.executable).parent / "genvalues", "validate", path]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 1
    return ended.stderr.splitlines()


def test_every_seeded_mistake_is_reported_at_its_line_in_one_run(tmp_path: Path) -> None:
    text = (ROOT / "values/fire-4gpu.yaml").read_text()
    for right, wrong in MISTAKES:
        assert text.count(right) == 1, right
        text = text.replace(right, wrong)
    path = tmp_path / "fire.yaml"
    path.write_text(text)
    lines = {wrong: text[: text.index(wrong)].count("\n") + 1 for _, wrong in MISTAKES}
    messages = validate(path)
    assert [line.split(": ", 2)[2] for line in messages] == EXPECTED
    assert sorted(int(line.split(":")[2]) for line in messages) == sorted(lines.values())


def test_what_follows_from_a_misspelt_key_is_not_reported_as_well(tmp_path: Path) -> None:
    path = tmp_path / "fire.yaml"
    path.write_text((ROOT / "values/fire-4gpu.yaml").read_text().replace("model:", "modle:"))
    assert [line.split(": ", 2)[2] for line in validate(path)] == ["modle: no such key; did you mean model?"]


def test_what_follows_from_a_wrong_value_is_not_reported_as_well(tmp_path: Path) -> None:
    path = tmp_path / "fire.yaml"
    wrong = {"dataset: fire": "dataset: fyre", "memory: 256Gi": "memory: 256GB"}
    text = (ROOT / "values/fire-4gpu.yaml").read_text()
    for was, now in wrong.items():
        text = text.replace(was, now)
    path.write_text(text)
    messages = [line.split(": ", 2)[2].partition(",")[0] for line in validate(path)]
    assert messages == ['prepare.dataset: got "fyre" (string)', 'train.resources.limits.memory: got "256GB" (string)']


def test_a_misspelt_key_counts_for_the_rest_as_what_it_was_meant_to_be(tmp_path: Path) -> None:
    path = tmp_path / "fire.yaml"
    text = (ROOT / "values/fire-4gpu.yaml").read_text().replace("gpusPerNode:", "gpuPerNode:")
    path.write_text(text.replace("effectiveBatchSize: 64", "effectiveBatchSize: 63"))
    assert [line.split(": ", 2)[2] for line in validate(path)] == [
        "train.gpuPerNode: no such key; did you mean train.gpusPerNode?",
        "train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64",
    ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("x: 1\ntrain: {effectiveBatchSize: 63, gpusPerNode: 2}\n", ["x", "train.effectiveBatchSize"]),
        ("trian: {a: 1}\ntrain: {effectiveBatchSize: 63, gpusPerNode: 2, env: {NNODES: 3}}\n",
         ["trian", "train.effectiveBatchSize", "train.env.NNODES"]),
        ("dataset: fire\ntrain: {effectiveBatchSize: 63, gpusPerNode: 2}\n", ["dataset", "train.effectiveBatchSize"]),
        ("train: {env: {my-var: 1}, effectiveBatchSize: 16}\n", ["train.env.my-var"]),
    ],
)  # fmt: skip
def test_an_unknown_key_hides_no_mistake_beside_it(text: str, keys: list[str], chart: Chart, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(f"model: {{id: a/b}}\nprepare: {{dataset: fire}}\n{text}")
    assert [problem.key for problem in load_experiment(chart, tmp_path / "v.yaml").problems] == keys
