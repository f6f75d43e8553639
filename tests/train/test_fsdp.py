"""Real FSDP2 on two CPU processes: its checkpoints are resumed from and exported, and it trains like DDP."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

BIN = Path(sys.executable).parent
FSDP = {"fsdp": "fsdp2", "external_plugins": [str(Path(__file__).parent / "fsdp_on_cpu.py")]}
LORA = {"tuner_type": "lora", "lora_rank": 8, "target_modules": "all-linear"}
ENV = {"NPROC_PER_NODE": 2, "IMAGE_MAX_TOKEN_NUM": 64, "OMP_NUM_THREADS": 1}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample(tmp_path_factory.mktemp("sample"))


def make_sample(folder: Path) -> Path:
    """Write the sample with its tiny model, and prepare it."""
    vlm_sft("sample", folder)
    images = ("--image-root", folder / "images")
    vlm_sft("prepare", "fire", "--input", folder / "fire", "--output-dir", folder / "fire_bc", *images)
    return folder


def vlm_sft(*words: object) -> str:
    done = subprocess.run([BIN / "vlm-sft", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def train(sample: Path, run_dir: Path, args: dict[str, Any]) -> dict[str, Any]:
    """Train up to step four and return the report."""
    config = run_dir.with_suffix(".yaml")
    rows = {"dataset": [str(sample / "fire_bc" / "fire_bc_train.jsonl")], "split_dataset_ratio": 0}
    model = {"model": str(sample / "model"), "model_type": "qwen3_vl", "template": "qwen3_vl", "torch_dtype": "float32"}
    batch = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 1, "learning_rate": 1e-3}
    steps = {"max_steps": 4, "save_steps": 2, "logging_steps": 1, "max_length": 2048, "dataset_num_proc": 1}
    place = {"output_dir": str(run_dir), "add_version": False, "use_cpu": True, "ddp_backend": "gloo", "use_hf": True}
    config.write_text(
        yaml.safe_dump(
            {**model, **rows, **batch, **steps, **place, "gradient_checkpointing": False, **args, "ENV": ENV}
        )
    )
    vlm_sft("train", config)
    report: dict[str, Any] = json.loads((run_dir / "run_report.json").read_bytes())
    return report


def test_a_lora_run_resumes_to_the_same_adapter(sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    whole = train(sample, run, {**LORA, **FSDP})
    assert whole["wrapper"].startswith("FSDP")
    trained = (run / "checkpoint-4" / "adapter_model.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoint-4")
    (run / "run_report.json").unlink()
    resumed = train(sample, run, {**LORA, **FSDP})
    assert resumed["resumed_from"] == str(run / "checkpoint-2")
    assert (resumed["steps"], resumed["last_loss"]) == (4, whole["last_loss"])
    assert (run / "checkpoint-4" / "adapter_model.safetensors").read_bytes() == trained
    vlm_sft("export", run)
    assert (
        load_file(run / "export" / "model.safetensors").keys()
        == load_file(sample / "model" / "model.safetensors").keys()
    )


def test_full_tuning_exports_the_same_weights_as_ddp(sample: Path, tmp_path: Path) -> None:
    sharded = train(sample, tmp_path / "fsdp", {"tuner_type": "full", **FSDP})
    assert not [*(tmp_path / "fsdp" / "checkpoint-4").glob("*.safetensors")]
    vlm_sft("export", tmp_path / "fsdp")
    train(sample, tmp_path / "ddp", {"tuner_type": "full", "gradient_checkpointing": True})
    exported = load_file(tmp_path / "fsdp" / "export" / "model.safetensors")
    trained = load_file(tmp_path / "ddp" / "checkpoint-4" / "model.safetensors")
    before = load_file(sample / "model" / "model.safetensors")
    assert sharded["steps"] == 4
    assert exported.keys() == trained.keys()
    moved = [name for name in trained if not torch.equal(trained[name], before[name])]
    assert len(moved) > 20
    for name, weight in trained.items():
        assert torch.allclose(exported[name], weight, rtol=0, atol=1e-4), name  # a step of Adam moves it by 1e-3
    config = json.loads((tmp_path / "fsdp" / "export" / "config.json").read_bytes())
    assert config["architectures"] == ["Qwen3VLForConditionalGeneration"]
