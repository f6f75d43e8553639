"""The container's first process: runs ms-swift in its own session and turns SIGTERM into a graceful stop.

A SIGTERM that reaches torchrun or the ranks ends the data-loader workers first and saves nothing (seen with ms-swift
4.6), so it is not passed on: the stop file appears instead; all ranks agree after the optimizer step, save, and stop.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from vlm_sft.train.launch import Launch

TORCHRUN_KILLS_AFTER_S = 30  # torchrun gives its workers this long after SIGTERM, then kills them


@dataclass(frozen=True)
class Ended:
    """How the trainer ended: its exit status (negative: a signal) and whether a stop had been asked for."""

    returncode: int
    stop_requested: bool


class _SignalledError(Exception):
    """SIGTERM or SIGINT arrived."""


def _raise(number: int, frame: FrameType | None) -> None:
    raise _SignalledError


def supervise(launch: Launch, stop_file: Path, grace_s: float, say: Callable[[str], None]) -> Ended:
    """Run the trainer to its end; on SIGTERM or SIGINT ask it to save and stop, on a second one end it at once.

    Args:
        launch: what to run.
        stop_file: created on the first signal; must not exist yet.
        grace_s: how long the save may take after the first signal before the trainer is killed.
        say: takes one line for the log.
    """
    previous = {number: signal.signal(number, _raise) for number in (signal.SIGTERM, signal.SIGINT)}
    # A session of its own: Ctrl-C in a terminal and a signal to our group reach us alone.
    process = subprocess.Popen(launch.command, env=launch.env, start_new_session=True)
    try:
        try:
            return Ended(process.wait(), stop_requested=False)
        except _SignalledError:
            stop_file.touch()
            say(f"stop requested: saving after this optimizer step, {grace_s:.0f} s left for it")
        try:
            return Ended(process.wait(timeout=grace_s), stop_requested=True)
        except subprocess.TimeoutExpired:
            say(f"not saved within {grace_s:.0f} s: ending the trainer; the run continues from its last checkpoint")
        except _SignalledError:
            say("second signal: ending the trainer; the run continues from its last checkpoint")
        return Ended(_end(process), stop_requested=True)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End torchrun and its workers: SIGTERM, which torchrun hands to them, then SIGKILL."""
    os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + TORCHRUN_KILLS_AFTER_S + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
