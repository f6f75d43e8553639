"""A run continues with more steps and on another number of processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.sample.model import write_model
from vlm_sft.train.continuing import extended

BIN = Path(sys.executable).parent
ROWS = 25  # 2 processes leave one out; 1 process would not, and would shuffle otherwise


def train(folder: Path, name: str, processes: int, steps: int, *, fails: int = 0, **change: object) -> Path:
    """Train to `steps` with 4 samples a step; return the run directory."""
    config = {
        "model": str(folder / "model"), "model_type": "qwen3_vl", "template": "qwen3_vl", "use_hf": True,
        "dataset": str(folder / "rows.jsonl"), "split_dataset_ratio": 0, "tuner_type": "lora",
        "target_modules": "all-linear", "lora_dropout": 0.0, "torch_dtype": "float32", "use_cpu": True,
        "per_device_train_batch_size": 1, "gradient_accumulation_steps": 4 // processes, "max_steps": steps,
        "lr_scheduler_type": "constant", "learning_rate": 0.01, "save_steps": 1000, "logging_steps": 1,
        "dataloader_num_workers": 0, "ddp_backend": "gloo", "check_model": False, "add_version": False,
        "max_length": 256, "output_dir": str(folder / name), "ENV": {"NPROC_PER_NODE": processes}, **change,
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([BIN / "vlm-sft", "train", path], env=env, capture_output=True, text=True, check=False)
    print(ended.stderr, file=sys.stderr)
    assert ended.returncode == fails, ended.stderr[-3000:]
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("continuing")
    write_model(folder / "model")
    rows = [
        {"messages": [{"role": "user", "content": f"Number {n}?"}, {"role": "assistant", "content": f"It is {n % 7}."}]}
        for n in range(ROWS)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def adapter(run: Path, step: int) -> dict[str, Any]:
    return dict(load_file(run / f"checkpoint-{step}" / "adapter_model.safetensors"))


def test_two_processes_then_one_then_two_end_like_an_undisturbed_run(folder: Path) -> None:
    undisturbed = train(folder, "undisturbed", 2, 15)
    for processes, steps in [(2, 5), (1, 10), (2, 15)]:
        run = train(folder, "changed", processes, steps, logging_steps=processes)
        report = json.loads((run / "run_report.json").read_bytes())
        assert (report["status"], report["steps"], report["effective_batch_size"]) == ("finished", steps, 4)
        logged = [json.loads(line) for line in (run / "logging.jsonl").read_text().splitlines()]
        steps_logged = [int(line["global_step/max_steps"].split("/")[0]) for line in logged if "loss" in line]
        if processes == 1:  # a checkpoint brings its own interval
            assert steps_logged[-5:] == [6, 7, 8, 9, 10]
        assert report["resumed_from"] == (None if steps == 5 else str(run / f"checkpoint-{steps - 5}"))
    expected, got = adapter(undisturbed, 15), adapter(run, 15)
    assert expected.keys() == got.keys()
    moved = max(float(np.abs(value).max()) for name, value in expected.items() if "lora_B" in name)
    apart = max(float(np.abs(expected[name] - got[name]).max()) for name in expected)
    assert apart < 1e-5 * moved


def test_a_gradient_that_is_not_finite_ends_the_run_at_its_step(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(folder, "diverged", 2, 8, fails=42, learning_rate=1e30, max_grad_norm=1e30, save_steps=1)
    assert "NonFiniteError: step 2: the gradient's norm is nan; " in capfd.readouterr().err
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-1"]
    assert not (run / "run_report.json").exists()


def test_what_ms_swift_refuses_is_not_retried(folder: Path) -> None:
    run = train(folder, "refused", 2, 5, fails=42, target_modules=["no_such_module"])
    assert not (run / "run_report.json").exists()


@pytest.fixture
def finished(make_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A run that finished 10 steps, or one epoch, on two ranks."""
    checkpoint = make_checkpoint(tmp_path, 10)
    (checkpoint / "args.json").write_text(
        json.dumps({"max_steps": 10, "num_train_epochs": 1.0, "global_world_size": 2})
    )
    (tmp_path / "run_report.json").write_text(json.dumps({"status": "finished", "checkpoint": str(checkpoint)}))
    return checkpoint


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        ({"max_steps": 12}, True, "finished with max_steps 10; continuing to 12"),
        ({"max_steps": 10}, False, ""),
        ({"max_steps": 8}, False, ""),
        ({"num_train_epochs": 2}, True, "finished with num_train_epochs 1; continuing to 2"),
        ({"num_train_epochs": "1"}, False, ""),
        ({"max_steps": 10, "num_train_epochs": 2}, False, ""),
        ({}, False, ""),
    ],
)
def test_a_finished_run_continues_only_to_more_steps(
    finished: Path, args: dict[str, Any], more: bool, message: str
) -> None:
    run = finished.parent
    logged: list[str] = []
    config = SwiftConfig(run / "train.yaml", {"output_dir": str(run), **args}, {})
    assert extended(config, logged.append) is more
    assert logged == ([f"{run}: {message}"] if more else [])
    status = json.loads((run / "run_report.json").read_bytes())["status"]
    assert status == ("stopped" if more else "finished")
