"""The run report: one JSON file with the facts of a run and its status.

`run_report.json` in the run directory is also the completion marker: with `"status": "finished"` a restarted Job does
not train again.
"""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vlm_sft.atomic_file import atomic_write

FILE = "run_report.json"
PACKAGES = (
    *("vlm-sft", "ms-swift", "torch", "transformers", "peft"),
    *("datasets", "accelerate", "deepspeed", "liger-kernel"),
)


@dataclass(frozen=True)
class RunReport:
    """Facts of a run. Sizes in GiB (2**30 bytes), times in seconds, batch sizes in samples."""

    status: str  # "finished" or "stopped"
    checkpoint: str  # newest complete one
    best_checkpoint: str | None
    validation: list[dict[str, Any]]  # step, epoch, eval_loss [nats per token] and eval_perplexity of each evaluation
    resumed_from: str | None
    link: str | None  # to the run directory, with release and date of its first start
    world_size: int
    nvlink: bool | None  # whether it connects the GPUs of a node; None: one GPU, or unknown
    wrapper: str  # class around the model: DistributedDataParallel, FSDP..., DeepSpeedEngine
    effective_batch_size: int
    batch_size_per_gpu: int
    gradient_accumulation_steps: int
    steps: int
    max_steps: int
    epochs: float | None  # None: megatron sft with train_iters
    first_loss: float | None
    last_loss: float | None
    tokens: int | None  # None: megatron sft does not count them
    tokens_per_s: float | None
    train_seconds: float
    seconds: float  # of the whole process, with imports and loading
    peak_memory_gib: list[float]  # one value per rank
    peak_memory_of: str  # "gpu" (reserved by the allocator) or "process" (resident)
    trainable_parameters: int
    ddp: dict[str, Any]  # proof that the ranks were one process group: see `evidence`
    data: dict[str, Any]  # size in bytes of each local data file
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Return the installed version of each package that affects a run."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def evidence(record: dict[str, Any]) -> dict[str, Any]:
    """Return what shows that the ranks trained one model.

    `same_gradient` and `same_weights` are None where the states are sharded over the ranks or too large to hash.
    """

    def same(key: str) -> bool | None:
        values = record[key]
        return None if not values or None in values else len(set(values)) == 1

    initial, final = record["initial_fingerprints"], record["final_fingerprints"]
    return {
        "parallel_mode": record["parallel_mode"],
        "ranks_in_all_reduce": record["ranks_in_all_reduce"],
        "same_gradient_on_all_ranks": same("gradient_fingerprints"),
        "same_weights_on_all_ranks": same("final_fingerprints"),
        "weights_changed": None if None in initial + final else initial[0] != final[0],
        "weights_sha256": final[0],
    }


def write_report(run_dir: Path, report: RunReport) -> None:
    """Write the report into the run directory, whole or not at all."""
    with atomic_write(run_dir / FILE) as file:
        file.write(json.dumps(asdict(report), indent=2).encode() + b"\n")


def unfinish(run_dir: Path) -> None:
    """Let a finished run count as stopped, so that it is trained further."""
    report = {**(read_report(run_dir) or {}), "status": "stopped"}
    with atomic_write(run_dir / FILE) as file:
        file.write(json.dumps(report, indent=2).encode() + b"\n")


def read_report(run_dir: Path) -> dict[str, Any] | None:
    """Return the report of a run, or None when it has none or an unreadable one."""
    try:
        report = json.loads((run_dir / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def is_finished(run_dir: Path) -> bool:
    """Return whether a run is finished; a finished run is not run again."""
    report = read_report(run_dir)
    return report is not None and report.get("status") == "finished"


def _validated(validation: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return a row about the last evaluation, if there was one; reports of earlier versions have none."""
    last = [f"loss {entry['eval_loss']:.4f}, perplexity {entry['eval_perplexity']:.4g}" for entry in validation[-1:]]
    return [("validation, last", f"{text} at step {validation[-1]['step']}") for text in last]


def table(report: dict[str, Any]) -> str:
    """Return the main facts of a report as a table, one per line."""

    def figure(value: float | None, digits: int = 4) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    tokens = "-" if report["tokens"] is None else f"{report['tokens']:,} ({report['tokens_per_s']:,.0f} per second)"
    per_rank = report["batch_size_per_gpu"] * report["gradient_accumulation_steps"]
    ranks = report["effective_batch_size"] // per_rank
    batch = (
        f"{report['batch_size_per_gpu']} per process x {report['gradient_accumulation_steps']} accumulation x {ranks} "
    )
    batch += "processes" if ranks == report["world_size"] else "data-parallel ranks"
    rows = [
        ("status", report["status"]),
        ("processes", f"{report['world_size']} ({report['wrapper']})"),
        ("effective batch size", f"{report['effective_batch_size']} ({batch})"),
        ("optimizer steps", f"{report['steps']} of {report['max_steps']}"),
        ("loss, first and last", f"{figure(report['first_loss'])} -> {figure(report['last_loss'])}"),
        *_validated(report.get("validation") or []),
        ("tokens", tokens),
        ("seconds, training and all", f"{report['train_seconds']:.1f} of {report['seconds']:.1f}"),
        ("peak memory per process", f"{max(report['peak_memory_gib']):.2f} GiB ({report['peak_memory_of']})"),
        ("checkpoint", report["checkpoint"]),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
