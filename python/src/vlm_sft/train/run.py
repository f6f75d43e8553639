"""One training run from its config to its report: skip, check, resume, train, report."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from vlm_sft.errors import EXIT_CONFIG
from vlm_sft.launch.nvlink import detect_nvlink
from vlm_sft.launch.supervisor import RECORD, Ended, supervise
from vlm_sft.runs.checkpoint import INCOMPLETE, UNREADABLE, free_space, newest_complete, older, set_aside, size_gib
from vlm_sft.runs.readable_links import link_run
from vlm_sft.runs.report import RunReport, evidence, is_finished, read_report, table, versions, write_report
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.continuing import extended
from vlm_sft.train.curve import check
from vlm_sft.train.failure import (
    Kills,
    explain,
    fails_again,
    read_failures,
    read_kills,
    unreadable_checkpoint,
)
from vlm_sft.train.nodes.node_group import wait_for_all_nodes
from vlm_sft.train.nodes.place import Place, read_place
from vlm_sft.train.nodes.waiting import StoppedWaitingError, waiting
from vlm_sft.train.occupied import occupied, wait_until_free
from vlm_sft.train.preflight import Needs, problems
from vlm_sft.train.recording import Recording
from vlm_sft.train.run_data import changed_start, data_files, started_with
from vlm_sft.train.trainer import STARTED_WITH, launch

SPLIT = "val_dataset.jsonl"  # in the run directory: the rows that ms-swift splits off for validation


class Exit(IntEnum):
    """Exit codes that the chart's podFailurePolicy knows."""

    FINISHED = 0
    FAILED = 1  # another try may succeed: counts against backoffLimit
    CONFIG = EXIT_CONFIG  # every pod would fail the same way: the Job fails at once
    STOPPED = 75  # EX_TEMPFAIL: stopped on request, everything is saved; does not count as a failure


def train(
    config: SwiftConfig,
    needs: Needs,
    recording: Recording,
    grace_s: float,
    rendezvous_s: float,
    log: Callable[[str], None],
    signals: StopSignals,
) -> Exit:
    """Start or resume a run and train to its end.

    Args:
        config: ms-swift's config; its `output_dir` is the run directory, used by configs that learn the same.
        needs: what the preflight requires.
        recording: what the ranks do besides training.
        grace_s: seconds for the last save after SIGTERM.
        rendezvous_s: seconds until all nodes must be connected.
        log: takes one line for the log.
        signals: counts the requests to stop.
    """
    run_dir = config.output_dir
    if is_finished(run_dir) and not extended(config, log):
        return _already_finished(run_dir, log)
    try:
        return _train(config, needs, recording, grace_s, waiting(run_dir, rendezvous_s, signals, log), log, signals)
    except StoppedWaitingError:
        if is_finished(run_dir):
            return _already_finished(run_dir, log)
        log("stopped on request before the start")
        return Exit.STOPPED


def _train(
    config: SwiftConfig,
    needs: Needs,
    recording: Recording,
    grace_s: float,
    wait: Callable[[str, float], None],
    log: Callable[[str], None],
    signals: StopSignals,
) -> Exit:
    run_dir = config.output_dir
    place = read_place({**config.env, **os.environ})
    if place.rank == 0:
        wait_until_free(run_dir, wait)
    world_size = int(config.env.get("NPROC_PER_NODE", "1")) * place.nodes
    resume_from = _resume_point(run_dir, needs.min_free_gib, log) if place.rank == 0 else None
    failed = problems(config, needs)
    for problem in failed:
        log(f"error: {problem.message}")
    if failed:
        return Exit.CONFIG if any(problem.permanent for problem in failed) else Exit.FAILED

    if recording.curve:
        check(recording.curve)  # its data must fit the task before GPUs load a model
    run_dir.mkdir(parents=True, exist_ok=True)
    if place.rank == 0 and (changed := changed_start(config, world_size, resuming=resume_from is not None)):
        log(f"error: {changed}")
        return Exit.CONFIG
    wait("this node", 0)
    group, attempt = wait_for_all_nodes(place, str(run_dir), resume_from, wait)
    link = _link(run_dir, recording.links, log) if place.rank == 0 else None
    if place.rank == 0:  # ms-swift appends its rows again at each start
        (run_dir / SPLIT).unlink(missing_ok=True)
    log(f"resuming from {attempt.resume_from}" if attempt.resume_from else f"starting in {run_dir}")
    order = _order(run_dir, world_size, log) if attempt.resume_from else {}
    shown = occupied(run_dir) if place.rank == 0 else nullcontext()
    with group, shown, tempfile.TemporaryDirectory(prefix="vlm-sft-") as folder:
        nvlink = detect_nvlink(needs.gpus, {**config.env, **os.environ})
        if nvlink.line:
            log(nvlink.line)
        started = Started(time.monotonic(), Path(folder), attempt.resume_from, read_kills().count, nvlink.present, link)
        command = launch(config, place, attempt, started.folder, {**recording.variables(), **nvlink.variables, **order})
        ended = supervise(command, started.folder, grace_s, log, signals, group.ended)
        code = _outcome(config, place, started, ended, log)
        group.leave(stopped=code is Exit.STOPPED)
    return code


@dataclass(frozen=True)
class Started:
    """State at trainer start, compared after the trainer exits."""

    at_s: float  # monotonic
    folder: Path  # of this attempt: the ranks write into it
    resume_from: Path | None
    kills: int  # out-of-memory kills that the kernel had counted
    nvlink: bool | None  # between the GPUs of this node; None: one GPU, or unknown
    link: Path | None  # to the run directory, with its date


def _link(run_dir: Path, folder: Path | None, log: Callable[[str], None]) -> Path | None:
    """Link the run directory for people; a filesystem without links does not stop the run."""
    try:
        return link_run(folder, run_dir, datetime.now(UTC).date()) if folder else None
    except OSError as error:
        log(f"{folder}: no links to the run directory there: {error.strerror}")
        return None


def _order(run_dir: Path, world_size: int, log: Callable[[str], None]) -> dict[str, str]:
    """Return the variable that keeps the order of rows of a run that another number of processes started."""
    before = started_with(run_dir)
    if before in (None, world_size):
        return {}
    log(f"{world_size} processes continue what {before} started, in the same order of rows")
    return {STARTED_WITH: str(before)}


def _resume_point(run_dir: Path, min_free_gib: float, log: Callable[[str], None]) -> Path | None:
    """Return the checkpoint to resume from; newer incomplete ones are renamed, or deleted where space is short."""
    newest, rejected = newest_complete(run_dir)
    for checkpoint, lack in rejected:
        log(f"skipping {checkpoint.name}: {lack}; renamed to {set_aside(checkpoint, INCOMPLETE).name}")
    free_space(run_dir, min_free_gib, log)
    return newest


def _already_finished(run_dir: Path, log: Callable[[str], None]) -> Exit:
    report = read_report(run_dir) or {}
    log(f"{run_dir}: already finished at step {report.get('steps')}; nothing to do")
    return Exit.FINISHED


def _outcome(config: SwiftConfig, place: Place, started: Started, ended: Ended, log: Callable[[str], None]) -> Exit:
    """Write the report, or log what failed; return the exit code."""
    run_dir = config.output_dir
    record = ended_record(started.folder / RECORD, run_dir, ended.returncode)
    if record is None:
        return _failure(config, started, ended, log)
    if ended.returncode != 0:
        log(f"ms-swift ended with exit code {ended.returncode} after its last checkpoint was complete: nothing is lost")
    finished = not record["stop_requested"] or record["steps"] >= record["max_steps"]
    # Every node of a finished run writes the same report, so that the loss of a pod at this point does not matter.
    if finished or place.rank == 0:
        seconds = time.monotonic() - started.at_s
        status = "finished" if finished else "stopped"
        write_report(run_dir, _report(status, config, record, started, seconds))
    if place.rank == 0:
        log(table(read_report(run_dir) or {}))
    return Exit.FINISHED if finished else Exit.STOPPED


def ended_record(path: Path, run_dir: Path, returncode: int) -> dict[str, Any] | None:
    """Return what the ranks recorded at the end of training; None when they did not reach it.

    A non-zero exit code does not prove a failure: a rank of a gloo group was seen to abort at Python's shutdown
    ("terminate called without an active exception"), after checkpoint and record. Then the checkpoint must be complete.
    """
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_bytes())
    if returncode == 0:
        return record
    checkpoint, _ = newest_complete(run_dir)
    return record if checkpoint is not None and checkpoint.name == f"checkpoint-{record['steps']}" else None


def _failure(config: SwiftConfig, started: Started, ended: Ended, log: Callable[[str], None]) -> Exit:
    """Log how the trainer failed and return the exit code."""
    if ended.stop_requested:
        log("stopped on request before the first save; the run resumes from its last complete checkpoint")
        return Exit.STOPPED
    newest, _ = newest_complete(config.output_dir)
    failures, kills = read_failures(started.folder), read_kills()
    kills = Kills(kills.count - started.kills, kills.limit_gib)
    log(f"error: {explain(config, ended.returncode, failures, kills, size_gib(newest) if newest else None)}")
    if fails_again(failures):
        return Exit.CONFIG
    used, unreadable = started.resume_from, unreadable_checkpoint(failures)
    if used is not None and unreadable is not None and older(used) is not None:
        moved = set_aside(used, UNREADABLE)
        log(f"{used.name} could not be loaded, renamed to {moved.name}: the next try resumes from the one before")
    return Exit.FAILED


def _report(status: str, config: SwiftConfig, record: dict[str, Any], started: Started, seconds: float) -> RunReport:
    """Combine what the ranks recorded with what only the supervisor knows."""
    checkpoint, _ = newest_complete(config.output_dir)
    return RunReport(
        status=status,
        checkpoint=str(checkpoint) if checkpoint else "",
        resumed_from=str(started.resume_from) if started.resume_from else None,
        nvlink=started.nvlink,
        link=str(started.link) if started.link else None,
        seconds=seconds,
        ddp=evidence(record),
        data=data_files(config),
        versions={**versions(), "python": record["python"], **({"cuda": record["cuda"]} if record["cuda"] else {})},
        **{field.name: record[field.name] for field in fields(RunReport) if field.name in record},
    )
