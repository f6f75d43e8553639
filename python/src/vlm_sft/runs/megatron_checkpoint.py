"""Checkpoints of `megatron sft`: megatron-core's distributed format inside ms-swift's `checkpoint-<step>/`.

    checkpoint-20/
      args.json                            ms-swift's arguments
      latest_checkpointed_iteration.txt    20; written when all ranks have saved
      iter_0000020/
        common.pt                          shared by all ranks: scheduler, arguments, samples seen
        __0_0.distcp  __1_0.distcp ...     weights, optimizer and random states, a part from each rank
        .metadata  metadata.json           index of these files; written after them
      adapter_model.safetensors            the same weights in Hugging Face's format, for evaluation; written last

Source: ms-swift 4.6.0 swift/megatron/utils/megatron_lm_utils.py, megatron-core 0.16 dist_checkpointing.
"""

from pathlib import Path
from typing import Any

TRACKER = "latest_checkpointed_iteration.txt"
WRITTEN = ("common.pt", ".metadata", "metadata.json")


def is_of_megatron(checkpoint: Path) -> bool:
    """Return whether a checkpoint, complete or not, was written by `megatron sft`."""
    return any(checkpoint.glob("iter_*")) or (checkpoint / TRACKER).is_file()


def incomplete(checkpoint: Path) -> str | None:
    """Return what is missing in a checkpoint, or None when a run can resume from it."""
    step = int(checkpoint.name.rpartition("-")[2])
    try:
        if int((checkpoint / TRACKER).read_text()) != step:
            return f"{TRACKER} belongs to another step"
    except (OSError, ValueError):
        return f"{TRACKER} is missing or truncated"
    states = checkpoint / f"iter_{step:07d}"
    for name in WRITTEN:
        if not (states / name).is_file() or not (states / name).stat().st_size:
            return f"{states.name}/{name} is missing or empty"
    shards = list(states.glob("*.distcp"))
    return None if shards and all(shard.stat().st_size for shard in shards) else f"{states.name} lacks shards"


def resume_arguments(checkpoint: Path, tuner_type: str) -> dict[str, Any]:
    """Return the arguments that make `megatron sft` resume: weights, optimizer, random states, position in the data."""
    weights = "mcore_model" if tuner_type == "full" else "mcore_adapter"
    return {weights: str(checkpoint), "finetune": False}
