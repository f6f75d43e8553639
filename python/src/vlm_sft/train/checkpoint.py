"""Checkpoints of a run: which of them are whole, and the newest one to resume from.

A checkpoint folder appears before it is whole, and a full disk or a killed pod leaves it half written. ms-swift (the
transformers Trainer) writes the weights, the optimizer and scheduler, one random state per rank, `trainer_state.json`.
"""

import json
import re
import struct
from pathlib import Path

NAME = re.compile(r"checkpoint-(\d+)")
HEADER_LIMIT_BYTES = 100 << 20  # safetensors' own limit for its JSON header


def newest_complete(run_dir: Path, world_size: int) -> tuple[Path | None, list[str]]:
    """Return the newest complete checkpoint of a run (None when there is none) and why newer ones were passed over.

    Args:
        run_dir: folder with `checkpoint-<step>/` sub-folders; may be missing.
        world_size: number of ranks that wrote them, one random state each.
    """
    steps = {int(match[1]): path for path in run_dir.glob("checkpoint-*") if (match := NAME.fullmatch(path.name))}
    rejected: list[str] = []
    for step in sorted(steps, reverse=True):
        problem = incomplete(steps[step], world_size)
        if problem is None:
            return steps[step], rejected
        rejected.append(f"{steps[step].name}: {problem}")
    return None, rejected


def incomplete(checkpoint: Path, world_size: int) -> str | None:
    """Return what a checkpoint lacks, or None when a run of `world_size` ranks can resume from it."""
    step = int(checkpoint.name.rpartition("-")[2])
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return "trainer_state.json is missing or cut off"
    if not isinstance(state, dict) or state.get("global_step") != step:
        return "trainer_state.json is of another step"
    names = {path.name for path in checkpoint.iterdir()}
    if missing := _missing_states(names, world_size):
        return f"{missing} is missing"
    weights = [path for path in checkpoint.iterdir() if path.suffix == ".safetensors"]
    sharded = any(name.startswith(("global_step", "pytorch_model_fsdp")) for name in names)
    if not weights and not sharded:
        return "no weights"
    for path in weights:
        if not _whole_safetensors(path):
            return f"{path.name} is cut off"
    return None


def _missing_states(names: set[str], world_size: int) -> str | None:
    """Return the first optimizer, scheduler or random state that is not there."""
    ranks = ["rng_state.pth"] if world_size == 1 else [f"rng_state_{rank}.pth" for rank in range(world_size)]
    # DeepSpeed keeps the optimizer in global_step<N>/, FSDP2 in optimizer_0/; plain DDP in optimizer.pt
    optimizers = [name for name in names if name.startswith(("optimizer", "global_step"))]
    if not optimizers:
        return "optimizer.pt"
    return next((name for name in [*ranks, "scheduler.pt"] if name not in names), None)


def _whole_safetensors(path: Path) -> bool:
    """Tell whether a safetensors file is as long as its header says (https://huggingface.co/docs/safetensors)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            return False
        (header_bytes,) = struct.unpack("<Q", prefix)
        if header_bytes > min(size, HEADER_LIMIT_BYTES):
            return False
        try:
            header = json.loads(file.read(header_bytes))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return bool(size == 8 + header_bytes + max(ends, default=0))
