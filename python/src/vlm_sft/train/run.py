"""One training run from its config to its report: skip, check, resume, train, tell."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from vlm_sft.errors import EXIT_CONFIG
from vlm_sft.launch.supervisor import RECORD, Ended, supervise
from vlm_sft.runs.checkpoint import INCOMPLETE, UNREADABLE, free_space, newest_complete, older, set_aside, size_gib
from vlm_sft.runs.report import RunReport, evidence, is_finished, read_report, table, versions, write_report
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.failure import Kills, explain, read_failures, read_kills, unreadable_checkpoint
from vlm_sft.train.launch import launch
from vlm_sft.train.nodes.node_group import call_roll
from vlm_sft.train.nodes.place import Place, read_place
from vlm_sft.train.nodes.waiting import StoppedWaitingError, waiting
from vlm_sft.train.preflight import Needs, problems
from vlm_sft.train.run_data import changed_data, data_files


class Exit(IntEnum):
    """Exit codes that the chart's podFailurePolicy knows."""

    FINISHED = 0
    FAILED = 1  # worth another try: counts against backoffLimit
    CONFIG = EXIT_CONFIG  # the next pod would fail the same way: the Job fails at once
    STOPPED = 75  # EX_TEMPFAIL: stopped on request with everything saved; does not count as a failure


def train(
    config: SwiftConfig,
    needs: Needs,
    grace_s: float,
    rendezvous_s: float,
    say: Callable[[str], None],
    signals: StopSignals,
) -> Exit:
    """Bring a run to its end, from wherever it stands.

    Args:
        config: ms-swift's config; its `output_dir` is the run directory and belongs to this config alone.
        needs: what the preflight must find.
        grace_s: seconds for the last save after SIGTERM.
        rendezvous_s: seconds until all nodes must be there.
        say: takes one line for the log.
        signals: counts the requests to stop.
    """
    run_dir = config.output_dir
    place = read_place({**config.env, **os.environ})
    if is_finished(run_dir):
        return _already_finished(run_dir, say)
    world_size = int(config.env.get("NPROC_PER_NODE", "1")) * place.nodes
    resume_from = _resume_point(run_dir, world_size, needs.min_free_gib, say) if place.rank == 0 else None
    failed = problems(config, needs)
    for problem in failed:
        say(f"error: {problem.message}")
    if failed:
        return Exit.CONFIG if any(problem.permanent for problem in failed) else Exit.FAILED

    run_dir.mkdir(parents=True, exist_ok=True)
    if place.rank == 0 and (changed := changed_data(config, resuming=resume_from is not None)):
        say(f"error: {changed}")
        return Exit.CONFIG
    try:
        wait = waiting(run_dir, rendezvous_s, signals, say)
        wait("this node", 0)
        gang, attempt = call_roll(place, str(run_dir), resume_from, wait)
    except StoppedWaitingError:
        if is_finished(run_dir):
            return _already_finished(run_dir, say)
        say("stopped on request before the start")
        return Exit.STOPPED
    say(f"resuming from {attempt.resume_from}" if attempt.resume_from else f"starting in {run_dir}")
    with gang, tempfile.TemporaryDirectory(prefix="vlm-sft-") as folder:
        started = Started(time.monotonic(), Path(folder), attempt.resume_from, read_kills().count)
        ended = supervise(launch(config, place, attempt, started.folder), started.folder, grace_s, say, signals, gang)
        code = _outcome(config, place, world_size, started, ended, say)
        gang.leave(stopped=code is Exit.STOPPED)
    return code


@dataclass(frozen=True)
class Started:
    """What was so when the trainer was started."""

    at_s: float  # monotonic
    folder: Path  # of this attempt: what the ranks leave
    resume_from: Path | None
    kills: int  # that the kernel had counted before


def _resume_point(run_dir: Path, world_size: int, min_free_gib: float, say: Callable[[str], None]) -> Path | None:
    """Return the checkpoint to go on from; newer ones that are incomplete make way for it, and for space if need be."""
    newest, rejected = newest_complete(run_dir, world_size)
    for checkpoint, lack in rejected:
        say(f"passing over {checkpoint.name}: {lack}; it is now {set_aside(checkpoint, INCOMPLETE).name}")
    free_space(run_dir, min_free_gib, say)
    return newest


def _already_finished(run_dir: Path, say: Callable[[str], None]) -> Exit:
    report = read_report(run_dir) or {}
    say(f"{run_dir}: already finished at step {report.get('steps')}; nothing to do")
    return Exit.FINISHED


def _outcome(
    config: SwiftConfig, place: Place, world_size: int, started: Started, ended: Ended, say: Callable[[str], None]
) -> Exit:
    """Write the report, or say what failed; return the exit code."""
    run_dir = config.output_dir
    record = ended_record(started.folder / RECORD, run_dir, world_size, ended.returncode)
    if record is None:
        return _failure(config, world_size, started, ended, say)
    if ended.returncode != 0:
        say(f"ms-swift ended with exit code {ended.returncode} after its last checkpoint was whole: nothing is lost")
    finished = not record["stop_requested"] or record["steps"] >= record["max_steps"]
    # Every node of a finished run writes the report, all the same one: whichever pod is lost now is not waited for.
    if finished or place.rank == 0:
        seconds = time.monotonic() - started.at_s
        status = "finished" if finished else "stopped"
        write_report(run_dir, _report(status, config, record, started.resume_from, seconds, world_size))
    if place.rank == 0:
        say(table(read_report(run_dir) or {}))
    return Exit.FINISHED if finished else Exit.STOPPED


def ended_record(path: Path, run_dir: Path, world_size: int, returncode: int) -> dict[str, Any] | None:
    """Return what the ranks recorded at the end of training; None when they did not get there.

    A bad exit code alone does not tell: seen once, a rank of a gloo group aborted while Python shut down ("terminate
    called without an active exception"), after checkpoint and record were written. Then the checkpoint has to be whole.
    """
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_bytes())
    if returncode == 0:
        return record
    checkpoint, _ = newest_complete(run_dir, world_size)
    return record if checkpoint is not None and checkpoint.name == f"checkpoint-{record['steps']}" else None


def _failure(config: SwiftConfig, world_size: int, started: Started, ended: Ended, say: Callable[[str], None]) -> Exit:
    """Say how the trainer failed and choose the exit code."""
    if ended.stop_requested:
        say("stopped on request before the first save; the run continues from its last complete checkpoint")
        return Exit.STOPPED
    newest, _ = newest_complete(config.output_dir, world_size)
    failures, kills = read_failures(started.folder), read_kills()
    kills = Kills(kills.count - started.kills, kills.limit_gib)
    say(f"error: {explain(config, ended.returncode, failures, kills, size_gib(newest) if newest else None)}")
    used, unreadable = started.resume_from, unreadable_checkpoint(failures)
    if used is not None and unreadable is not None and older(used, world_size) is not None:
        moved = set_aside(used, UNREADABLE)
        say(f"{used.name} could not be loaded and is now {moved.name}: the next try goes on from the one before")
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
        data=data_files(config),
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
