"""`genvalues new` writes files that validate, with what differs and nothing else; and says when a run does not fit."""

# ruff: noqa: E501 - messages are compared whole

import itertools
import os
import pty
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from vlm_sft.genvalues.cli import main
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.sizing.gpu import gpus
from vlm_sft.genvalues.sizing.known_models import known_models
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.sized_run import run_shape
from vlm_sft.genvalues.values.chart import load_chart

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "vlm-sft"
UNKNOWN = ["org/Thing-70B", "org/thing", "/cache/models/Qwen3-8B", "gpt2", "1e3/12", "org/on"]
FIRE_4GPU = """\
# yaml-language-server: $schema=../charts/vlm-sft/values.schema.json
# Question: does it revise?   # Result: pending
# Estimate: {estimate}
model:
  id: Qwen/Qwen3-VL-32B-Instruct
prepare:
  dataset: fire
train:
  gpusPerNode: 4
  effectiveBatchSize: 64  # 1 x 16 x 4 GPUs
  sharding: zero3
  args:
    tuner_type: lora
    lora_rank: 16
    lora_alpha: 32
    target_modules: all-linear
    num_train_epochs: 1
    learning_rate: 1.0e-4
    warmup_ratio: 0.05
    max_length: 8192
  env:
    IMAGE_MAX_TOKEN_NUM: 2048
  resources:
    requests:
      cpu: 32
      memory: "256Gi"
    limits:
      cpu: 32
      memory: "256Gi"
"""


def new(folder: Path, name: str = "x", **options: Any) -> Result:
    given = {"dataset": "alpaca", "model": "Qwen/Qwen3-8B", "gpus": 1, "target": 16, "out": folder, "chart": CHART}
    words = [f"--{key}={value}" for key, value in (given | options).items() if value is not None]
    return CliRunner().invoke(main, ["new", name, *words])


def values_in(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


def test_the_file_holds_what_differs_with_its_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "values").mkdir()
    shutil.copytree(CHART, tmp_path / "charts" / "vlm-sft")
    monkeypatch.chdir(tmp_path)
    options = ["--dataset", "fire", "--model", "Qwen/Qwen3-VL-32B-Instruct", "--gpus", "4", "--target", "64"]
    result = CliRunner().invoke(main, ["new", "fire", *options, "--question", "does it revise?"])
    assert (result.exit_code, result.stdout) == (0, "values/fire.yaml\n"), result.stderr
    estimated = result.stderr.strip()
    assert re.fullmatch(r"about \d+ GiB a GPU, at most \d+: fits the 79 GiB of A100 80 GB", estimated)
    assert Path("values/fire.yaml").read_text() == FIRE_4GPU.format(estimate=estimated)
    schema = FIRE_4GPU.splitlines()[0].partition("$schema=")[2]
    assert Path("values", schema).resolve() == (tmp_path / "charts/vlm-sft/values.schema.json").resolve()


def test_whatever_is_written_validates_and_renders_the_target(tmp_path: Path) -> None:
    dice = random.Random(0)
    models = [*known_models(), *UNKNOWN]
    combinations = list(
        itertools.product(models, ["fire", "alpaca", "org/rows#5"], [1, 2, 3, 8, 16], [1, 2, 5], gpus())
    )
    loaded = load_chart(CHART)
    written = refused = 0
    for model, dataset, count, nodes, gpu in dice.sample(combinations, 60):
        target = count * nodes * dice.randint(1, 40)
        options = {"model": model, "dataset": dataset, "gpus": count, "nodes": nodes, "gpu": gpu, "target": target}
        result = new(tmp_path, **options, force=None)
        path = tmp_path / "x.yaml"
        if result.exit_code:
            assert "sees no images" in result.stderr, (options, result.stderr)
            refused += 1
            continue
        experiment = load_experiment(loaded, path, [], [])
        assert [problem for problem in experiment.problems if problem.severity == "error"] == [], options
        assert experiment.values is not None
        assert experiment.config is not None
        values = experiment.values
        train = values["train"]
        assert (values["model"]["id"], train["gpusPerNode"], train["nodes"]) == (model, count, nodes)
        assert train["effectiveBatchSize"] == target
        is_dear = "fit the" in result.stderr
        assert result.stderr.startswith("warning: ") == is_dear
        if "a GPU, at most" in result.stderr:
            fits = estimate(run_shape(experiment.config)).high_gib <= gpus()[gpu].memory_gib
            assert fits == (not is_dear), (options, result.stderr)
        written += 1
        path.unlink()
    assert (written > 40, refused > 4) == (True, True)


@pytest.mark.parametrize(
    ("options", "sharding", "liger"),
    [
        ({"model": "Qwen/Qwen3-8B", "gpus": 8}, None, None),
        ({"model": "Qwen/Qwen3-VL-32B-Instruct", "gpus": 4}, "zero3", None),
        ({"model": "Qwen/Qwen3-VL-32B-Instruct", "gpus": 4, "gpu": "h200-141g"}, None, None),
        ({"model": "Qwen/Qwen3-VL-32B-Instruct", "gpus": 4, "gpu": "l40s-48g"}, "zero3", None),
        ({"model": "Qwen/Qwen3-8B", "gpus": 1, "gpu": "4090-24g"}, None, True),
        ({"model": "org/Thing-70B", "gpus": 4}, "zero3", None),
        ({"model": "org/Thing-30B-A3B", "gpus": 4}, "zero3", None),
        ({"model": "org/Thing-20B", "gpus": 4}, None, None),
        ({"model": "org/Thing-70B", "gpus": 1}, None, None),
    ],
)
def test_sharding_and_liger_come_only_where_they_are_needed(
    options: dict[str, Any], sharding: str | None, liger: bool | None, tmp_path: Path
) -> None:
    assert new(tmp_path, **options).exit_code == 0
    train = values_in(tmp_path / "x.yaml")["train"]
    assert (train.get("sharding"), train["args"].get("use_liger_kernel")) == (sharding, liger)


def test_a_run_that_does_not_fit_is_written_with_a_warning(tmp_path: Path) -> None:
    result = new(tmp_path, model="Qwen/Qwen3-VL-32B-Instruct", gpu="a100-40g")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: about ")
    assert ": does not fit the 39 GiB of A100 40 GB; what would: " in result.stderr
    header = (tmp_path / "x.yaml").read_text().partition("\nmodel:")[0].replace("\n# ", " ")
    assert result.stderr.removeprefix("warning: ").strip() in header


def test_several_nodes_share_the_cache(tmp_path: Path) -> None:
    assert new(tmp_path, gpus=2, nodes=2).exit_code == 0
    assert values_in(tmp_path / "x.yaml")["storage"] == {"cache": {"accessMode": "ReadWriteMany"}}
    assert "effectiveBatchSize: 16  # 1 x 4 x 2 GPUs x 2 nodes\n" in (tmp_path / "x.yaml").read_text()


def test_yamllint_and_pyyaml_read_it_too(tmp_path: Path) -> None:
    assert new(tmp_path, "a", model="org/on", question="is it: #1\nor 'two'?  " + "long " * 60).exit_code == 0
    assert new(tmp_path, "b", model="1e3", dataset="org/rows#500", gpu="l4").exit_code == 0
    command = [sys.executable, "-m", "yamllint", "--strict", "-c", ROOT / ".yamllint", tmp_path]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")
    b = values_in(tmp_path / "b.yaml")
    assert (b["model"]["id"], b["train"]["dataset"]) == ("1e3", ["org/rows#500"])
    assert b["train"]["args"]["learning_rate"] == 1e-4
    assert (tmp_path / "a.yaml").read_text().splitlines()[1].startswith("# Question: is it: #1 or 'two'? long long ")


def test_nothing_is_written_over_without_force(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("mine\n")
    result = new(tmp_path)
    assert (result.exit_code, path.read_text()) == (1, "mine\n")
    assert result.stderr == f"error: {path}: exists; choose another NAME, or write over it with --force\n"
    given = ["--dataset", "alpaca", "--model", "Qwen/Qwen3-8B", "--gpus", "1", "--target", "16", "--chart", str(CHART)]
    assert CliRunner().invoke(main, ["new", "x", *given, "--out", str(tmp_path), "--force"]).exit_code == 0
    assert values_in(path)["model"] == {"id": "Qwen/Qwen3-8B"}
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "options", "code", "message"),
    [
        ("x", {"target": 63, "gpus": 4}, 1, "error: --target: 63 is not a multiple of 4 GPUs; use 60 or 64\n"),
        ("x", {"target": 3, "gpus": 2, "nodes": 2}, 1, "error: --target: 3 is not a multiple of 4 (2 GPUs x 2 nodes); use 4\n"),
        ("x", {"dataset": "fire"}, 1, "error: --model: Qwen/Qwen3-8B sees no images, and fire has them; use e.g. Qwen/Qwen3-VL-8B-Instruct\n"),
        ("X", {}, 1, "error: NAME: X, need lower-case letters, digits and -, a letter first, at most 40 characters; choose another\n"),
        ("x", {"out": "/nowhere"}, 1, "error: --out: /nowhere is no folder; make it, or name another\n"),
        ("x", {"gpu": "a100"}, 1, "error: --gpu: 'a100' comes in several sizes; use a100-40g or a100-80g\n"),
        ("x", {"gpus": 17}, 2, "Invalid value for '--gpus': 17 is not in the range 1<=x<=16"),
        ("x", {"model": None, "target": None}, 2, "Error: missing --model, --target: give them, or run in a terminal\n"),
        ("x", {"model": "not a hub id"}, 1, "error: model.id: "),
    ],
)  # fmt: skip
def test_wrong_answers_are_reported_and_nothing_is_written(
    name: str, options: dict[str, Any], code: int, message: str, tmp_path: Path
) -> None:
    result = new(tmp_path, name, **options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_is_requested_gpu_what_is_missing(tmp_path: Path) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"\nQwen/Qwen3-VL-4B-Instruct\nmany\n2\n")  # Enter takes the default; many is asked again
    command = [sys.executable, "-c", "from vlm_sft.genvalues.cli import main; main()"]
    options = ["new", "x", "--target", "8", "--out", str(tmp_path), "--chart", str(CHART)]
    run = subprocess.run([*command, *options], stdin=terminal, capture_output=True, text=True, check=False, timeout=60)
    os.close(keyboard)
    os.close(terminal)
    assert run.returncode == 0, run.stderr
    assert "dataset: fire, volcano, geo3k, robo2vlm, alpaca, oasst1, a hub id or a path [fire]: " in run.stderr
    assert "effective batch size" not in run.stderr
    values = values_in(tmp_path / "x.yaml")
    assert (values["prepare"], values["model"]) == ({"dataset": "fire"}, {"id": "Qwen/Qwen3-VL-4B-Instruct"})
    assert (values["train"]["gpusPerNode"], values["train"]["effectiveBatchSize"]) == (2, 8)


def test_rows_are_no_longer_than_the_model_can_read(tmp_path: Path) -> None:
    assert new(tmp_path, "short", model="distilbert/distilgpt2").exit_code == 0
    assert new(tmp_path, "long").exit_code == 0
    lengths = [values_in(tmp_path / f"{name}.yaml")["train"]["args"]["max_length"] for name in ("short", "long")]
    assert lengths == [1024, 2048]


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    options = [
        "--dataset=alpaca",
        "--model=Qwen/Qwen3-8B",
        "--gpus=1",
        "--target=1",
        f"--out={tmp_path}",
        f"--chart={CHART}",
    ]
    code = (
        "import sys; from vlm_sft.genvalues.cli import main\n"
        f"try: main({['new', 'x', *options]!r})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [str(tmp_path / "x.yaml"), "[]"]
