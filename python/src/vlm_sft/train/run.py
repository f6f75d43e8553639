"""One training run from its config to its report: skip, check, resume, train, tell."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import EXIT_CONFIG
from vlm_sft.train.checkpoint import newest_complete
from vlm_sft.train.launch import launch
from vlm_sft.train.preflight import Needs, problems
from vlm_sft.train.run_report import RunReport, evidence, read_report, table, versions, write_report
from vlm_sft.train.supervisor import Ended, supervise
from vlm_sft.train.swift_config import SwiftConfig


class Exit(IntEnum):
    """Exit codes that the chart's podFailurePolicy knows."""

    FINISHED = 0
    FAILED = 1  # worth another try: counts against backoffLimit
    CONFIG = EXIT_CONFIG  # the next pod would fail the same way: the Job fails at once
    STOPPED = 75  # EX_TEMPFAIL: stopped on request with everything saved; does not count as a failure


def train(config: SwiftConfig, needs: Needs, grace_s: float, say: Callable[[str], None]) -> Exit:
    """Bring a run to its end, from wherever it stands.

    Args:
        config: ms-swift's config; its `output_dir` is the run directory and belongs to this config alone.
        needs: what the preflight must find.
        grace_s: seconds for the last save after SIGTERM.
        say: takes one line for the log.
    """
    run_dir = config.output_dir
    report = read_report(run_dir)
    if report is not None and report.get("status") == "finished":
        say(f"{run_dir}: already finished at step {report['steps']}; nothing to do")
        return Exit.FINISHED
    failed = problems(config, needs)
    for problem in failed:
        say(f"error: {problem.message}")
    if failed:
        return Exit.CONFIG if any(problem.permanent for problem in failed) else Exit.FAILED

    run_dir.mkdir(parents=True, exist_ok=True)
    world_size = int(config.env.get("NPROC_PER_NODE", "1")) * int(config.env.get("NNODES", "1"))
    resume_from, rejected = newest_complete(run_dir, world_size)
    for reason in rejected:
        say(f"passing over an incomplete checkpoint: {reason}")
    if changed := _changed_data(config, resuming=resume_from is not None):
        say(f"error: {changed}")
        return Exit.CONFIG
    say(f"resuming from {resume_from}" if resume_from else f"starting in {run_dir}")

    record_path = run_dir / "record.json"  # on the shared claim: every node reads what rank 0 wrote
    first_node = os.environ.get("NODE_RANK", "0") == "0"
    if first_node:
        record_path.unlink(missing_ok=True)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vlm-sft-") as folder:
        stop_file = Path(folder) / "stop"
        ended = supervise(launch(config, resume_from, record_path, stop_file), stop_file, grace_s, say)
    record = ended_record(record_path, world_size, ended.returncode)
    if record is None:
        return _failure(ended, say)
    if ended.returncode != 0:
        say(f"ms-swift ended with exit code {ended.returncode} after its last checkpoint was whole: nothing is lost")
    finished = not record["stop_requested"] or record["steps"] >= record["max_steps"]
    if first_node:
        status = "finished" if finished else "stopped"
        seconds = time.monotonic() - started_s
        write_report(run_dir, _report(status, config, record, resume_from, seconds, world_size))
        say(table(read_report(run_dir) or {}))
    return Exit.FINISHED if finished else Exit.STOPPED


def _data_files(config: SwiftConfig) -> dict[str, int]:
    """Return the size in bytes of each local file that the run reads rows from."""
    names = [name.partition("#")[0] for key in ("dataset", "val_dataset") for name in config.texts(key)]
    return {name: Path(name).stat().st_size for name in names if Path(name).is_file()}


def _changed_data(config: SwiftConfig, *, resuming: bool) -> str | None:
    """Remember the data of a new run; return what changed since then when one is resumed."""
    path, now = config.output_dir / "data.json", _data_files(config)
    if resuming and path.is_file():
        before = json.loads(path.read_bytes())
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if changed:
            name = changed[0]
            return (
                f"{name}: {now.get(name, 'no')} bytes, but this run began with {before.get(name, 'no')}; restore the "
                f"data, or start a new run: delete {config.output_dir}"
            )
    with atomic_write(path) as file:
        file.write(json.dumps(now, indent=2).encode() + b"\n")
    return None


def ended_record(path: Path, world_size: int, returncode: int) -> dict[str, Any] | None:
    """Return what the ranks recorded at the end of training; None when they did not get there.

    A bad exit code alone does not tell: seen once, a rank of a gloo group aborted while Python shut down ("terminate
    called without an active exception"), after checkpoint and record were written. Then the checkpoint has to be whole.
    """
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_bytes())
    if returncode == 0:
        return record
    checkpoint, _ = newest_complete(path.parent, world_size)
    return record if checkpoint is not None and checkpoint.name == f"checkpoint-{record['steps']}" else None


def _failure(ended: Ended, say: Callable[[str], None]) -> Exit:
    """Say how the trainer failed and choose the exit code."""
    if ended.stop_requested:
        say("stopped on request before the first save; the run continues from its last complete checkpoint")
        return Exit.STOPPED
    killed = ended.returncode in (-9, 137)
    say(
        f"error: ms-swift ended with {'SIGKILL: out of host memory?' if killed else f'exit code {ended.returncode}'}; "
        "its own message is above"
    )
    return Exit.FAILED


def _report(
    status: str, config: SwiftConfig, record: dict[str, Any], resume_from: Path | None, seconds: float, world_size: int
) -> RunReport:
    """Join what the ranks recorded with what only the supervisor knows."""
    checkpoint, _ = newest_complete(config.output_dir, world_size)
    return RunReport(
        status=status,
        checkpoint=str(checkpoint) if checkpoint else "",
        best_checkpoint=record["best_checkpoint"],
        resumed_from=str(resume_from) if resume_from else None,
        seconds=seconds,
        ddp=evidence(record),
        data=_data_files(config),
        versions={**versions(), "python": record["python"], **({"cuda": record["cuda"]} if record["cuda"] else {})},
        **{name: record[name] for name in _RECORDED},
    )


_RECORDED = (
    "world_size",
    "wrapper",
    "effective_batch_size",
    "batch_size_per_gpu",
    "gradient_accumulation_steps",
    "steps",
    "max_steps",
    "epochs",
    "first_loss",
    "last_loss",
    "tokens",
    "tokens_per_s",
    "train_seconds",
    "peak_memory_gib",
    "peak_memory_of",
    "trainable_parameters",
)
