"""The accuracy curve of a real training: its points, and that training is not changed by them."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from vlm_sft.sample.model import write_model
from vlm_sft.train.curve import Curve, points_until, scored, subset

BIN = Path(sys.executable).parent
QUESTION = "Which way?\nChoices:\nA. Up\nB. Down"


def write_rows(path: Path, answers: list[str]) -> str:
    rows = [
        {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]}
        for answer in answers
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curve")
    write_model(folder / "model")
    write_rows(folder / "train.jsonl", ["B. Down"] * 32)
    write_rows(folder / "val.jsonl", ["B. Down", "B. Down", "A. Up", "B. Down", "B. Down", "A. Up"])
    return folder


def train(folder: Path, name: str, *options: str) -> Path:
    config = {
        "dataset": str(folder / "train.jsonl"), "val_dataset": str(folder / "val.jsonl"),
        "model": str(folder / "model"), "model_type": "qwen3_vl", "template": "qwen3_vl", "use_hf": True,
        "tuner_type": "lora", "target_modules": "all-linear", "lora_dropout": 0.1, "torch_dtype": "float32",
        "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1, "max_steps": 12, "save_steps": 12,
        "eval_steps": 12, "logging_steps": 1, "learning_rate": 0.02, "dataset_num_proc": 1, "max_length": 256,
        "dataloader_num_workers": 0, "use_cpu": True, "ddp_backend": "gloo", "add_version": False,
        "output_dir": str(folder / name), "report_to": ["tensorboard"],
        "ENV": {"NPROC_PER_NODE": 2, "OMP_NUM_THREADS": 1},
    }  # fmt: skip
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    command = [BIN / "vlm-sft", "train", folder / f"{name}.yaml", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder / name


def sha256(run: Path) -> str:
    return hashlib.sha256((run / "checkpoint-12" / "adapter_model.safetensors").read_bytes()).hexdigest()


def test_a_curve_is_drawn_and_training_is_the_same_bit_for_bit(folder: Path) -> None:
    options = ("--curve-task", "choice", "--curve-steps", "4", "--curve-samples", "5", "--curve-tokens", "8")
    drawn, plain = train(folder, "drawn", *options), train(folder, "plain")
    points = [json.loads(line) for line in (drawn / "curve.jsonl").read_text().splitlines()]
    assert [(point["step"], point["task"], point["accuracy"]["n"]) for point in points] == [
        (4, "choice", 5),
        (8, "choice", 5),
        (12, "choice", 5),
    ]
    assert points[-1]["accuracy"]["value"] == 0.8  # every training row says B, and one of the five says A
    assert sha256(drawn) == sha256(plain)
    logged = [json.loads(line) for line in (drawn / "logging.jsonl").read_text().splitlines()]
    assert [row["eval_accuracy"] for row in logged if "eval_accuracy" in row] == [
        point["accuracy"]["value"] for point in points
    ]
    curve = EventAccumulator(str(drawn / "runs")).Reload().Scalars("eval/accuracy")
    assert [event.step for event in curve] == [4, 8, 12]


def curve(folder: Path, task: str = "choice", samples: int = 3) -> Curve:
    return Curve(task, 4, samples, 8, (str(folder / "val.jsonl"),))


def test_the_subset_is_spread_over_the_data_and_always_the_same(folder: Path) -> None:
    assert [sample.id for sample in subset(curve(folder))] == ["val:1", "val:3", "val:5"]
    assert len(subset(curve(folder, samples=99))) == 6


def test_data_of_another_task_ends_the_run_before_the_model_is_loaded(folder: Path, tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "model": str(folder / "model"), "dataset": str(folder / "train.jsonl"),
        "val_dataset": str(folder / "val.jsonl"), "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1,
    }  # fmt: skip
    config["output_dir"] = str(tmp_path / "run")
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    command = [BIN / "vlm-sft", "train", tmp_path / "train.yaml", "--curve-task", "yes-no"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 42, ended.stderr[-2000:]
    assert "val:1: reference: got 'B. Down', need a text that begins with yes or no" in ended.stderr


def test_points_after_the_checkpoint_are_dropped() -> None:
    lines = [json.dumps({"step": step}) + "\n" for step in (4, 8, 12)]
    assert points_until("".join(lines) + '{"step": 1', 8) == "".join(lines[:2])


def test_figures_are_those_of_evaluate_score(folder: Path) -> None:
    from vlm_sft.evaluate.task import Prediction

    predictions = [Prediction(s.id, s.group, QUESTION, s.reference, "B") for s in subset(curve(folder, samples=6))]
    figure = scored("choice", predictions)["accuracy"]
    assert (figure["value"], figure["n"]) == (pytest.approx(4 / 6), 6)
    assert figure["low"] < 4 / 6 < figure["high"]
