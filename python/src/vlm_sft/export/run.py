"""One export: the finished run's checkpoint -> RUN_DIR/export, a Hugging Face folder that needs nothing else.

It appears under its name when it is whole, with the marker in it: {"checkpoint": "/outputs/x/1a2b/checkpoint-500"}.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.launch.command import argv
from vlm_sft.launch.gpus import visible_gpus
from vlm_sft.launch.swift_command import run_command, run_swift
from vlm_sft.runs.finished_run import EXPORT, MARKER, exported, finished_checkpoint, is_adapter, needs_conversion
from vlm_sft.runs.megatron_checkpoint import TRACKER, is_of_megatron

# What a checkpoint of whole weights holds besides the model: optimizer, random states, the trainer's own notes.
NO_MODEL = (
    "optimizer*",
    "scheduler*",
    "rng_state*",
    "global_step*",
    "iter_*",
    TRACKER,
    "trainer_state.json",
    "training_args.bin",
    "latest",
    "zero_to_*.py",
)


def export(run_dir: Path, gpus: int, say: Callable[[str], None]) -> Path:
    """Export the run's checkpoint and return the folder; one that is there already stays as it is.

    Raises:
        ConfigError: there is no finished run or no checkpoint: another try would end alike.
        UserError: GPUs are missing, the disk is full, or ms-swift failed.
    """
    checkpoint, folder = finished_checkpoint(run_dir), run_dir / EXPORT
    if exported(run_dir, checkpoint):
        say(f"{folder}: exported before from this checkpoint")
        return folder
    if gpus and len(visible_gpus()) < gpus:
        raise UserError(f"GPUs: {len(visible_gpus())} visible, need {gpus}; look at `kubectl describe pod`")
    growing = run_dir / f"{EXPORT}.tmp"
    shutil.rmtree(growing, ignore_errors=True)  # of a pod that was lost
    say(f"exporting {checkpoint}")
    try:
        _write(checkpoint, growing, gpus, say)
        if not any(growing.glob("*.safetensors")):
            raise UserError(f"{checkpoint}: the export has no weights (*.safetensors); ms-swift's log above says why")
        (growing / MARKER).write_text(json.dumps({"checkpoint": str(checkpoint)}) + "\n")
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier checkpoint
        growing.rename(folder)
    except OSError as error:
        raise UserError(f"{growing}: {error.strerror}; the export needs the size of the whole model there") from None
    return folder


def _write(checkpoint: Path, folder: Path, gpus: int, say: Callable[[str], None]) -> None:
    env = dict(os.environ) if gpus else {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    if needs_conversion(checkpoint) and is_of_megatron(checkpoint):
        env["NPROC_PER_NODE"] = str(gpus or 1)
        run_swift("export", _megatron_arguments(checkpoint, folder), env, say, program="megatron")
    elif needs_conversion(checkpoint):
        convert = argv({"checkpoint": checkpoint, "output_dir": folder})
        run_command("conversion", [sys.executable, "-m", "vlm_sft.export.fsdp_shards", *convert], env, say)
    elif is_adapter(checkpoint):
        merge = {"adapters": str(checkpoint), "merge_lora": True, "output_dir": str(folder), "use_hf": True}
        run_swift("export", merge, env, say)
    else:
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns(*NO_MODEL), copy_function=_link)


def _megatron_arguments(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """Return the arguments of `megatron export` for weights in Megatron-Core's format: a whole model or an adapter."""
    trained = json.loads((checkpoint / "args.json").read_bytes())
    adapter = str(trained.get("tuner_type", "full")).startswith("lora")
    source = {"mcore_adapter" if adapter else "mcore_model": str(checkpoint)}
    return {
        **source,
        "to_hf": True,
        **({"merge_lora": True} if adapter else {}),
        "output_dir": str(folder),
        "use_hf": True,
    }


def _link(source: str, target: str) -> None:
    """Give a file a second name, which takes no space and outlives the checkpoint; copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
