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

from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.launch import Launch
from vlm_sft.train.nodes.node_group import Gang

STOP, RECORD = "stop", "record.json"  # names that `swift_plugin` knows as well
TORCHRUN_KILLS_AFTER_S = 30  # torchrun gives its workers this long after SIGTERM, then kills them
LOST_PEER_GRACE_S = 30.0  # ranks that see their peer's connection close end in seconds; under NCCL some never see it
CLOSING_S = (
    60.0  # more, to close files when training is over: torchrun waits 300 s for a node that was killed meanwhile
)
LOOK_S = 0.2  # between two looks at the trainer, the signals and the other nodes


@dataclass(frozen=True)
class Ended:
    """How the trainer ended: its exit status (negative: a signal) and whether a stop had been asked for."""

    returncode: int
    stop_requested: bool


def supervise(
    launch: Launch, folder: Path, grace_s: float, say: Callable[[str], None], signals: StopSignals, gang: Gang
) -> Ended:
    """Run the trainer to its end; on SIGTERM or SIGINT ask it to save and stop, on a second one end it at once.

    Args:
        launch: what to run.
        folder: of this attempt; `stop` is made there on the first signal, `record.json` appears when training is over.
        grace_s: how long the save may take after the first signal before the trainer is killed.
        say: takes one line for the log.
        signals: counts them.
        gang: the other nodes; without one of them the trainer cannot go on.
    """
    # A session of its own: Ctrl-C in a terminal and a signal to our group reach us alone.
    process = subprocess.Popen(launch.command, env=launch.env, start_new_session=True)
    stop_by_s: float | None = None
    alone_by_s: float | None = None
    asked_elsewhere = False
    try:
        while True:
            try:
                return Ended(process.wait(timeout=LOOK_S), bool(signals.count) or asked_elsewhere)
            except subprocess.TimeoutExpired:
                now_s = time.monotonic()
            if signals.count and stop_by_s is None:
                (folder / STOP).touch()
                stop_by_s = now_s + grace_s
                say(f"stop requested: saving after this optimizer step, {grace_s:.0f} s left for it")
            elif signals.count > 1:
                say("second signal: ending the trainer; the run continues from its last checkpoint")
                return Ended(_end(process), stop_requested=True)
            elif stop_by_s is not None and now_s > stop_by_s:
                say(f"not saved within {grace_s:.0f} s: ending the trainer; the run continues from its last checkpoint")
                return Ended(_end(process), stop_requested=True)
            peer = gang.ended()
            if peer is not None and alone_by_s is None:
                asked_elsewhere = peer.stopped
                alone_by_s = now_s + LOST_PEER_GRACE_S
                if not (folder / RECORD).is_file():
                    say(f"node {peer.rank} {'was asked to stop' if peer.stopped else 'is lost'}: this one ends as well")
            if alone_by_s is not None and now_s > alone_by_s + (CLOSING_S if (folder / RECORD).is_file() else 0):
                return Ended(_end(process), bool(signals.count) or asked_elsewhere)
    finally:
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
