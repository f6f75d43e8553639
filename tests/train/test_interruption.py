"""A real interruption: ms-swift on two CPU ranks, SIGTERM in the middle, resumed to the same adapter as without it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

BIN = Path(sys.executable).parent
STEPS = 40


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with its tiny model, prepared."""
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([BIN / "vlm-sft", "sample", folder], check=True)
    prepare = [BIN / "vlm-sft", "prepare", "fire", "--input", folder / "fire", "--output-dir", folder / "fire_bc"]
    subprocess.run([*prepare, "--image-root", folder / "images"], check=True)
    return folder


def write_config(sample: Path, run_dir: Path) -> Path:
    config = {
        "model": str(sample / "model"),
        "model_type": "qwen3_vl",
        "template": "qwen3_vl",
        "dataset": [str(sample / "fire_bc" / "fire_bc_train.jsonl")],
        "split_dataset_ratio": 0,
        "tuner_type": "lora",
        "target_modules": "all-linear",
        "torch_dtype": "float32",
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "max_steps": STEPS,
        "max_length": 4096,
        "learning_rate": 0.01,
        "save_steps": 1000,
        "dataloader_num_workers": 0,
        "use_cpu": True,
        "ddp_backend": "gloo",
        "check_model": False,
        "use_hf": True,
        "add_version": False,
        "output_dir": str(run_dir),
        "ENV": {"NPROC_PER_NODE": 2, "CUDA_VISIBLE_DEVICES": "", "IMAGE_MAX_TOKEN_NUM": 16},
    }
    path = run_dir.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config))
    return path


def start(config: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([BIN / "vlm-sft", "train", config], env={**os.environ, "HF_HUB_OFFLINE": "1"})


def logged_steps(run_dir: Path) -> int:
    """Return how many lines of ms-swift's log there are: one is written every five optimizer steps."""
    try:
        return len((run_dir / "logging.jsonl").read_text().splitlines())
    except OSError:
        return 0


def test_a_run_stopped_by_sigterm_goes_on_to_the_same_adapter(sample: Path, tmp_path: Path) -> None:
    undisturbed, interrupted = tmp_path / "undisturbed", tmp_path / "interrupted"
    assert start(write_config(sample, undisturbed)).wait(timeout=300) == 0

    config = write_config(sample, interrupted)
    trainer = start(config)
    deadline = time.monotonic() + 200
    while logged_steps(interrupted) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(timeout=120) == 75
    stopped = json.loads((interrupted / "run_report.json").read_bytes())
    assert stopped["status"] == "stopped"
    assert 0 < stopped["steps"] < STEPS
    assert stopped["checkpoint"] == str(interrupted / f"checkpoint-{stopped['steps']}")

    assert start(config).wait(timeout=300) == 0
    resumed = json.loads((interrupted / "run_report.json").read_bytes())
    reference = json.loads((undisturbed / "run_report.json").read_bytes())
    assert resumed["resumed_from"] == stopped["checkpoint"]
    assert resumed["steps"] == reference["steps"] == STEPS
    assert resumed["ddp"]["weights_sha256"] == reference["ddp"]["weights_sha256"]
    assert resumed["tokens"] == reference["tokens"]
