"""Checkpoints of a run: which of them are complete, and the newest one to resume from.

A checkpoint folder appears before it is complete, and stays incomplete after a full disk or a killed pod. ms-swift (the
transformers Trainer) writes the weights, the optimizer and scheduler, one random state per rank, `trainer_state.json`,
and `args.json` with the number of ranks.
"""

import json
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlm_sft.runs import megatron_checkpoint

NAME = re.compile(r"checkpoint-(\d+)")
FSDP_SHARDS = "pytorch_model_fsdp_0"  # accelerate's name for the folder of FSDP2's shards
INCOMPLETE, UNREADABLE = "incomplete", "unreadable"  # prefixes of renamed checkpoints
CHECKSUM_LIMIT_BYTES = 4 << 30  # read in seconds; of larger files only the zip directory is checked
HEADER_LIMIT_BYTES = 100 << 20  # safetensors' own limit for its JSON header


def newest_complete(run_dir: Path) -> tuple[Path | None, list[tuple[Path, str]]]:
    """Return the newest complete checkpoint of a run (None when there is none), and newer ones with what is missing.

    Args:
        run_dir: folder with `checkpoint-<step>/` sub-folders; may be missing.
    """
    steps = {int(match[1]): path for path in run_dir.glob("checkpoint-*") if (match := NAME.fullmatch(path.name))}
    rejected: list[tuple[Path, str]] = []
    for step in sorted(steps, reverse=True):
        problem = incomplete(steps[step])
        if problem is None:
            return steps[step], rejected
        rejected.append((steps[step], problem))
    return None, rejected


def incomplete(checkpoint: Path) -> str | None:
    """Return what is missing in a checkpoint, or None when a run can resume from it."""
    if megatron_checkpoint.is_of_megatron(checkpoint):
        return megatron_checkpoint.incomplete(checkpoint)
    step = int(checkpoint.name.rpartition("-")[2])
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return "trainer_state.json is missing or truncated"
    if not isinstance(state, dict) or state.get("global_step") != step:
        return "trainer_state.json belongs to another step"
    names = {path.name for path in checkpoint.iterdir()}
    if problem := _wrong_states(checkpoint, names) or _missing_index(checkpoint):
        return problem
    weights = [path for path in checkpoint.iterdir() if path.suffix == ".safetensors"]
    sharded = any(name.startswith("global_step") or name == FSDP_SHARDS for name in names)
    if not weights and not sharded:
        return "no weights"
    for path in weights:
        if not _whole_safetensors(path):
            return f"{path.name} is truncated"
    for path in checkpoint.glob("*.pt*"):  # optimizer.pt, scheduler.pt, rng_state_0.pth
        if problem := _damaged_archive(path):
            return f"{path.name} {problem}"
    return None


def saved_arguments(checkpoint: Path) -> dict[str, Any]:
    """Return the arguments of ms-swift that wrote a checkpoint; nothing where they cannot be read."""
    try:
        arguments = json.loads((checkpoint / "args.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


def older(checkpoint: Path) -> Path | None:
    """Return the newest complete checkpoint of the same run with fewer steps, or None."""
    step = int(checkpoint.name.rpartition("-")[2])
    steps = {int(match[1]): path for path in checkpoint.parent.iterdir() if (match := NAME.fullmatch(path.name))}
    return next((steps[s] for s in sorted(steps, reverse=True) if s < step and not incomplete(steps[s])), None)


def set_aside(checkpoint: Path, prefix: str) -> Path:
    """Rename a checkpoint so that neither a resume nor the Trainer's rotation counts it; return its new path.

    Under its old name, the Trainer would count it as the newest one and delete good ones instead, and a later save of
    the same step would mix its files with the old ones.
    """
    aside = checkpoint.with_name(f"{prefix}-{checkpoint.name.rpartition('-')[2]}")
    if checkpoint.exists():  # else another node has renamed it
        if aside.exists():
            shutil.rmtree(aside)
        checkpoint.rename(aside)
    return aside


def free_space(run_dir: Path, min_free_gib: float, log: Callable[[str], None]) -> None:
    """Delete this run's incomplete checkpoints when space is short: no run can resume from them."""
    if run_dir.is_dir() and shutil.disk_usage(run_dir).free < min_free_gib * 2**30:
        for aside in sorted(run_dir.glob(f"{INCOMPLETE}-*")):
            log(f"less than {min_free_gib:g} GiB free: deleting {aside}")
            shutil.rmtree(aside)


def size_gib(checkpoint: Path) -> float:
    """Return the size of all files of a checkpoint."""
    return sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file()) / 2**30


def _wrong_states(checkpoint: Path, names: set[str]) -> str | None:
    """Return the first missing file of optimizer, scheduler, random states and description of the weights."""
    world_size = saved_arguments(checkpoint).get("global_world_size")
    if not isinstance(world_size, int):
        return "args.json is missing or truncated"
    ranks = ["rng_state.pth"] if world_size <= 1 else [f"rng_state_{rank}.pth" for rank in range(world_size)]
    # The optimizer: DeepSpeed global_step<N>/, FSDP2 optimizer_0/, plain DDP optimizer.pt
    optimizers = [name for name in names if name.startswith(("optimizer", "global_step"))]
    if not optimizers:
        return "optimizer.pt is missing"
    needed = [*ranks, "scheduler.pt"]
    if "adapter_model.safetensors" in names:
        needed.append("adapter_config.json")
    return next((f"{name} is missing" for name in needed if name not in names), None)


def _missing_index(checkpoint: Path) -> str | None:
    """Return that an index of FSDP2's shards is missing; torch's distributed checkpoint writes it after the shards."""
    folders = [checkpoint / FSDP_SHARDS, *checkpoint.glob("optimizer_*")]
    indices = (folder / ".metadata" for folder in sorted(folders) if folder.is_dir())
    return next((f"{index.parent.name}/.metadata is missing" for index in indices if not index.is_file()), None)


def _damaged_archive(path: Path) -> str | None:
    """Return what is wrong with a file of torch.save: a zip archive of uncompressed records with checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() if path.stat().st_size <= CHECKSUM_LIMIT_BYTES else None
    except (zipfile.BadZipFile, EOFError):
        return "is truncated"
    return f"is damaged: {damaged}" if damaged else None


def _whole_safetensors(path: Path) -> bool:
    """Return whether a safetensors file has the length of its header (https://huggingface.co/docs/safetensors)."""
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
