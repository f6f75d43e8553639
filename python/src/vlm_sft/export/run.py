"""One export: the finished run's checkpoint -> RUN_DIR/export, a complete Hugging Face folder.

It gets its final name when it is complete, and then has the marker: {"checkpoint": "/outputs/x/1a2b/checkpoint-500"}.
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
from vlm_sft.launch.gpus import need_gpus
from vlm_sft.launch.swift_command import run_command, run_swift
from vlm_sft.runs.finished_run import EXPORT, MARKER, exported, finished_checkpoint, is_adapter, needs_conversion
from vlm_sft.runs.megatron_checkpoint import TRACKER, is_of_megatron

# Files of a checkpoint of whole weights that are not the model: optimizer, random states, the trainer's own state.
NO_MODEL = (
    *("optimizer*", "scheduler*", "rng_state*", "global_step*", "iter_*", TRACKER),
    *("trainer_state.json", "training_args.bin", "latest", "zero_to_*.py"),
)


def export(run_dir: Path, gpus: int, log: Callable[[str], None]) -> Path:
    """Export the run's checkpoint and return the folder; an existing export of it is kept.

    Raises:
        ConfigError: there is no finished run or no checkpoint; another try would fail the same way.
        UserError: GPUs are missing, the disk is full, or ms-swift failed.
    """
    checkpoint, folder = finished_checkpoint(run_dir), run_dir / EXPORT
    if exported(run_dir, checkpoint):
        log(f"{folder}: already exported from this checkpoint")
        return folder
    need_gpus(gpus)
    temporary = run_dir / f"{EXPORT}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # of a pod that was lost
    log(f"exporting {checkpoint}")
    try:
        _write(checkpoint, temporary, gpus, log)
        if not any(temporary.glob("*.safetensors")):
            raise UserError(f"{checkpoint}: the export has no weights (*.safetensors); ms-swift's log above shows why")
        (temporary / MARKER).write_text(json.dumps({"checkpoint": str(checkpoint)}) + "\n")
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier checkpoint
        temporary.rename(folder)
    except OSError as error:
        raise UserError(f"{temporary}: {error.strerror}; the export needs space for the whole model there") from None
    return folder


def _write(checkpoint: Path, folder: Path, gpus: int, log: Callable[[str], None]) -> None:
    env = dict(os.environ) if gpus else {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    if needs_conversion(checkpoint) and is_of_megatron(checkpoint):
        env["NPROC_PER_NODE"] = str(gpus or 1)
        run_swift("export", _megatron_arguments(checkpoint, folder), env, log, program="megatron")
    elif needs_conversion(checkpoint):
        convert = argv({"checkpoint": checkpoint, "output_dir": folder})
        run_command("conversion", [sys.executable, "-m", "vlm_sft.export.fsdp_shards", *convert], env, log)
    elif is_adapter(checkpoint):
        merge = {"adapters": str(checkpoint), "merge_lora": True, "output_dir": str(folder), "use_hf": True}
        run_swift("export", merge, env, log)
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
    """Create a hard link, which takes no space and outlives the checkpoint; copy the file where links do not work."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
