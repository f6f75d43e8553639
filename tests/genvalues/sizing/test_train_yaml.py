"""`genvalues show` prints the train.yaml that Helm renders, run directory included."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from vlm_sft.genvalues.cli import main
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.sizing.sized_run import batch_of
from vlm_sft.genvalues.sizing.train_config import train_config
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm import Inputs

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "vlm-sft"
FILES = [*sorted((ROOT / "values").glob("*.yaml")), ROOT / "tests" / "data" / "chart" / "everything.yaml"]
FIRE = ROOT / "values" / "fire-4gpu.yaml"
ALPACA = ROOT / "values" / "qwen3-8b-2gpu.yaml"
MEGATRON = {"backend": "megatron", "sharding": "ddp"}
LR = {"learning_rate": None, "lr": 1e-4, "save_steps": 50}
SETTINGS: list[dict[str, Any]] = [
    {"train": {"sharding": "fsdp2"}},
    {"train": {"accelerator": "cpu"}, "model": {"id": "/cache/m", "revision": "v1"}},
    {"train": {"accelerator": "cpu", "gpusPerNode": 1, "effectiveBatchSize": None, "gradientAccumulationSteps": 3}},
    {"train": {"valDataset": ["a b", "c<&>d"]}, "prepare": {"dataset": "fire"}},
    {"train": {"dataset": []}, "prepare": {"dataset": "fire", "splits": ["1m", "train"], "outputDir": "/outputs/x"}},
    {"train": {"args": {"learning_rate": 1e-7, "max_steps": 1000000, "warmup_ratio": None, "save_steps": 1e21}}},
    {"train": {"args": {"lr_scheduler_kwargs": {"b": 2.5e-8, "a": {"c": [1, "é\u2028\b"]}}, "report_to": []}}},
    {"train": {"args": {"system": "say \"hi\"\n\\ $HOME 'x'", "streaming": True}, "env": {"DEBUG": "INFO", "A": 0}}},
    {"train": {"nodes": 3, "effectiveBatchSize": 96}, "storage": {"cache": {"accessMode": "ReadWriteMany"}}},
    {"train": {"gpusPerNode": 8, "parallel": {"sequence": 4}, "sharding": "zero3"}},
    {"train": {**MEGATRON, "args": {**LR, "num_train_epochs": 1}}},
    {"train": {**MEGATRON, "gpusPerNode": 8, "parallel": {"tensor": 2, "pipeline": 2, "expert": 4},
               "args": {**LR, "train_iters": 9, "gradient_checkpointing": False, "merge_lora": True}}},
    {"train": {**MEGATRON, "gpusPerNode": 4, "parallel": {"tensor": 2, "context": 2},
               "args": {**LR, "train_iters": 5, "recompute_granularity": "selective", "sequence_parallel": False}}},
]  # fmt: skip


def rendered(helm: Path, *options: str) -> dict[str, Any] | None:
    """Return train.yaml as Helm renders it for the release x, with numbers as doubles; None when nothing is trained."""
    command = [helm, "template", "x", CHART, *options, "--kube-version", "1.31"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    maps = [document for document in yaml.safe_load_all(run.stdout) if document and document["kind"] == "ConfigMap"]
    texts = [data["data"]["train.yaml"] for data in maps if "train.yaml" in data["data"]]
    return lines(texts[0]) if texts else None


def lines(text: str) -> dict[str, Any]:
    """Read train.yaml line by line: every value is JSON, which PyYAML would read otherwise (1e-7 as text)."""
    config: dict[str, Any] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "ENV":
            config["ENV"] = {}
        else:
            (config["ENV"] if name.startswith(" ") else config)[name.strip()] = json.loads(value, parse_int=float)
    return config


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_config_is_what_helm_renders_for_every_values_file(helm: Path, file: Path) -> None:
    experiment = load_experiment(load_chart(CHART, str(helm)), file, release="x")
    assert experiment.errors == []
    expected = rendered(helm, "-f", str(file))
    config = experiment.config
    found = json.loads(json.dumps({**config.args, "ENV": config.env}), parse_int=float) if config else None
    assert found == expected


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_effective_batch_is_that_of_the_job(helm: Path, file: Path) -> None:
    manifests = load_chart(CHART, str(helm)).helm.rendered(Inputs((file,))).manifests
    config = train_config(manifests)
    on_the_job = set(re.findall(r'^ *vlm-sft/effective-batch-size: "(\d+)"$', manifests, re.MULTILINE))
    assert on_the_job == ({str(batch_of(config).effective)} if config else set())


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: json.dumps(setting)[:60])
def test_the_batch_of_every_branch_of_the_template_is_that_of_the_job(setting: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "setting.yaml"
    file.write_text(json.dumps(setting))
    manifests = load_chart(CHART).helm.rendered(Inputs((ALPACA, file))).manifests
    config = train_config(manifests)
    assert config is not None
    assert f'vlm-sft/effective-batch-size: "{batch_of(config).effective}"' in manifests


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["show", *map(str, arguments), "--chart", str(CHART)])


@pytest.mark.parametrize("file", [FIRE, ALPACA, FILES[-1]], ids=lambda file: file.stem)
def test_the_command_is_what_ms_swift_makes_of_train_yaml(file: Path, tmp_path: Path) -> None:
    """ms-swift's own reader turns train.yaml into a command line; a shell turns ours into the same words."""
    helm = Path(os.environ.get("HELM4") or ROOT / ".tools" / "helm4" / "helm")
    config = rendered(helm, "-f", str(file))
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code = (
        "import json, os, sys; from swift.cli.main import parse_yaml_args\n"
        "words = ['train.yaml']; parse_yaml_args(words); print(json.dumps([words, dict(os.environ)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected, environment = json.loads(run.stdout.splitlines()[-1])
    result = show(file, "--command", "--release", "x")
    assert result.exit_code == 0
    words = shlex.split(result.stdout.replace("\\\n", ""))
    program = words.index("swift")
    assert words[program : program + 2] == ["swift", "sft"]
    assert [same(word) for word in words[program + 2 :]] == [same(word) for word in expected]
    for name, value in (word.split("=", 1) for word in words[:program]):
        assert same(environment[name]) == same(value), name


def same(word: str) -> str:
    """Return a word so that `True` and `true`, `500.0` and `500` are the same."""
    number = re.fullmatch(r"-?[\d.]+(e-?\d+)?", word)
    return str(float(word)) if number else {"True": "true", "False": "false"}.get(word, word)


def test_values_come_first_and_the_command_after_them() -> None:
    shown = show(ALPACA, "--changed").stdout
    values, command = shown.split("\n\n# train.yaml as a command line of ms-swift\n")
    assert values.startswith('model.id = "Qwen/Qwen3-8B"  # ')
    assert command == show(ALPACA, "--command").stdout
    assert "  --dataset '/outputs/hub/vicgalle-alpaca-gpt4-2c47ab7d/data.parquet#500' \\\n" in command
    assert "  --output_dir /outputs/RELEASE/" in command


def test_no_training_has_no_command() -> None:
    file = ROOT / "values" / "jupyter-2gpu.yaml"
    assert "swift sft" not in show(file).stdout
    result = show(file, "--command")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: train.enabled: false, so no command results; set it to true\n"


def test_wrong_values_have_no_command(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(FIRE.read_text().replace("effectiveBatchSize: 64", "effectiveBatchSize: 63"))
    result = show(wrong, "--command")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64" in result.stderr
