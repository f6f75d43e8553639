"""Why a trainer failed, in one line: from the errors that the ranks wrote and the kernel's count of killed processes.

`swift_plugin` writes an uncaught error of a rank to `rank-<N>.json`, in one folder for all ranks of a node:
{"rank": 2, "type": "OutOfMemoryError", "message": "CUDA out of memory. Tried to allocate 20.00 MiB...",
 "functions": ["sft_main", "train", "forward"], "time_s": 1700000000.0, "peak_memory_gib": 78.9, "free_gib": 12.5}
"""

import json
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.runs.swift_config import SwiftConfig

CGROUP = Path("/sys/fs/cgroup")
GPU_MEMORY = ("OutOfMemoryError", "out of memory", "ALLOC_FAILED")  # from torch, the CUDA runtime, cuBLAS
# torch.save hides why a write failed behind one of the last two messages (torch 2.15, seen with a file size limit).
WRITE = ("No space left on device", "Disk quota exceeded", "File too large", "StreamWriter failed", "unexpected pos")
# Errors of these types are ms-swift's own verdict on its arguments, unless they are about this node's GPU, the hub or
# the process group, where another try may succeed.
REFUSALS = ("ValueError", "AssertionError")
NODE = ("gpu", "GPU", "cuda", "CUDA", "bf16")
SETUP = ("_parse_args", "prepare_model")  # before anything is trained
OUTSIDE = ("snapshot_download", "safe_snapshot_download", "try_login", "set_device", "init_process_group")
LOADS = ("_load_from_checkpoint", "_load_optimizer_and_scheduler", "_load_rng_state", "load_from_json")


@dataclass(frozen=True)
class RankFailure:
    """The error that ended a rank."""

    rank: int
    type: str
    message: str  # first line
    functions: list[str]  # names on the stack, outermost first
    time_s: float
    peak_memory_gib: float
    free_gib: float  # on the run directory's filesystem when the error occurred

    def mentions(self, *words: str) -> bool:
        """Return whether type or message contain one of the words."""
        return any(word in f"{self.type}: {self.message}" for word in words)


@dataclass(frozen=True)
class Kills:
    """How many processes of this container the kernel has killed because memory ran out, and the memory limit."""

    count: int
    limit_gib: float | None


def read_failures(folder: Path) -> list[RankFailure]:
    """Return the errors of this node's ranks in order of time: later ones are often caused by the first."""
    found = [RankFailure(**json.loads(path.read_bytes())) for path in folder.glob("rank-*.json")]
    return sorted(found, key=lambda failure: failure.time_s)


def read_kills(cgroup: Path = CGROUP) -> Kills:
    """Read the kernel's count from this container's memory cgroup, version 2 or 1; 0 where there is none.

    Where the kernel kills the whole container (memory.oom.group, which kubelet sets with version 2), this process ends
    as well, and `kubectl describe pod` shows OOMKilled.
    """
    for events, limit in (
        ("memory.events", "memory.max"),
        ("memory/memory.oom_control", "memory/memory.limit_in_bytes"),
    ):
        try:
            facts = dict(line.split() for line in (cgroup / events).read_text().splitlines())
            text = (cgroup / limit).read_text().strip()
        except (OSError, ValueError):
            continue
        limit_bytes = int(text) if text.isdecimal() else 1 << 62  # "max"
        return Kills(int(facts.get("oom_kill", 0)), limit_bytes / 2**30 if limit_bytes < 1 << 60 else None)
    return Kills(0, None)


def explain(
    config: SwiftConfig, returncode: int, failures: list[RankFailure], kills: Kills, checkpoint_gib: float | None
) -> str:
    """Return the reason in one line: key, got, need, way out.

    Args:
        config: of the run.
        returncode: of torchrun.
        failures: errors of the ranks.
        kills: the kernel's count during this run.
        checkpoint_gib: size of a complete checkpoint of this run, if there is one.
    """
    if kills.count:
        limit = f"its limit of {kills.limit_gib:.1f} GiB" if kills.limit_gib else "the node's limit"
        workers = config.integer("dataloader_num_workers", 1)
        return (
            f"host memory: the kernel killed {kills.count} of this container's processes at {limit}; raise "
            f"train.resources.limits.memory, or lower dataloader_num_workers (now {workers} per GPU): "
            "shared memory (train.shmSize) counts as well"
        )
    for failure in failures:
        if failure.mentions(*GPU_MEMORY):
            return (
                f"GPU memory: rank {failure.rank} ran out of it at a peak of {failure.peak_memory_gib:.1f} GiB with "
                f"per_device_train_batch_size {config.integer('per_device_train_batch_size', 1)} and max_length "
                f"{config.args.get('max_length', 'of the model')}; lower train.batchSizePerGpu and raise the "
                "accumulation, lower max_length, or shard (train.sharding: zero3); `genvalues memory` estimates each: "
                f"{failure.message}"
            )
        if failure.mentions(*WRITE):
            need = f", need about {checkpoint_gib:.2f} for a checkpoint" if checkpoint_gib else ""
            return (
                f"output_dir: rank {failure.rank} could not write to {config.output_dir}: {failure.free_gib:.2f} GiB "
                f"free{need}; delete old runs, lower save_total_limit or enlarge the claim; older checkpoints are "
                f"complete, and the run resumes from the newest: {failure.message}"
            )
    refused = refused_arguments(failures)
    if refused is not None:
        return f"train.args: ms-swift refuses them: {refused.message}; correct them, the run is not retried"
    if failures:
        first = failures[0]
        return f"rank {first.rank} failed: {first.type}: {first.message}; the full traceback is above"
    killed = returncode in (-9, 137)
    return f"ms-swift ended with {'SIGKILL' if killed else f'exit code {returncode}'}; its own message is above"


def refused_arguments(failures: list[RankFailure]) -> RankFailure | None:
    """Return the failure of a rank whose arguments ms-swift refused before it loaded anything, or None."""
    for failure in failures:
        is_verdict = failure.type in REFUSALS and not failure.mentions(*NODE)
        functions = {*failure.functions}
        if is_verdict and functions & {*SETUP} and not functions & {*OUTSIDE}:
            return failure
    return None


def fails_again(failures: list[RankFailure]) -> bool:
    """Return whether every pod would fail the same way: ms-swift refuses the arguments, or training diverges."""
    return refused_arguments(failures) is not None or any(failure.type == "NonFiniteError" for failure in failures)


def unreadable_checkpoint(failures: list[RankFailure]) -> RankFailure | None:
    """Return the failure of a rank that shows damaged content of the checkpoint, or None."""
    for failure in failures:
        temporary = failure.mentions(*GPU_MEMORY, "OSError", "ConnectionError", "DistBackendError", "DistNetworkError")
        if not temporary and any(name in failure.functions for name in LOADS):
            return failure
    return None
