"""The container's first process: runs ms-swift in a separate session and turns SIGTERM into a graceful stop.

SIGTERM is not forwarded: torchrun and the ranks would end the data-loader workers first and save nothing (seen with
ms-swift 4.6). The supervisor creates a stop file instead. All ranks see it after the optimizer step, save, and stop.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.launch.command import Launch
from vlm_sft.stop_signals import StopSignals

STOP, RECORD = "stop", "record.json"  # file names that `swift_plugin` uses as well
TORCHRUN_KILLS_AFTER_S = 30  # torchrun gives its workers this long after SIGTERM, then kills them
LOST_PEER_GRACE_S = 30.0  # most ranks fail within seconds of a lost connection; under NCCL some never notice it
CLOSING_S = 60.0  # extra time after training, to close files: torchrun waits 300 s for a node that was killed
POLL_S = 0.2  # between two checks of the trainer, the signals and the other nodes


@dataclass(frozen=True)
class Ended:
    """How the trainer ended: its exit status (negative: a signal) and whether a stop was requested."""

    returncode: int
    stop_requested: bool


@dataclass(frozen=True)
class Peer:
    """A node that has ended, and whether it was requested to stop."""

    rank: int
    stopped: bool


def supervise(
    launch: Launch,
    folder: Path,
    grace_s: float,
    log: Callable[[str], None],
    signals: StopSignals,
    ended_peer: Callable[[], Peer | None] = lambda: None,
) -> Ended:
    """Run the trainer to its end; the first SIGTERM or SIGINT makes it save and stop, the second ends it at once.

    Args:
        launch: what to run.
        folder: of this attempt; the first signal creates `stop` there, `record.json` appears when training is over.
        grace_s: how long the save may take after the first signal before the trainer is killed.
        log: takes one line for the log.
        signals: counts the signals.
        ended_peer: returns the first other node that has ended; the trainer cannot continue without it.
    """
    # A separate session: Ctrl-C in a terminal and a signal to our process group reach only this process.
    process = subprocess.Popen(launch.command, env=launch.env, stdout=launch.stdout, start_new_session=True)
    stop_by_s: float | None = None
    alone_by_s: float | None = None
    peer_stopped = False
    try:
        while True:
            try:
                return Ended(process.wait(timeout=POLL_S), bool(signals.count) or peer_stopped)
            except subprocess.TimeoutExpired:
                now_s = time.monotonic()
            if signals.count and stop_by_s is None:
                (folder / STOP).touch()
                stop_by_s = now_s + grace_s
                log(f"stop requested: saving after this optimizer step, within {grace_s:.0f} s")
            elif signals.count > 1:
                log("second signal: ending the trainer; the run resumes from its last checkpoint")
                return Ended(_end(process), stop_requested=True)
            elif stop_by_s is not None and now_s > stop_by_s:
                log(f"not saved within {grace_s:.0f} s: ending the trainer; the run resumes from its last checkpoint")
                return Ended(_end(process), stop_requested=True)
            peer = ended_peer()
            if peer is not None and alone_by_s is None:
                peer_stopped = peer.stopped
                alone_by_s = now_s + LOST_PEER_GRACE_S
                if not (folder / RECORD).is_file():
                    log(f"node {peer.rank} {'stops on request' if peer.stopped else 'is lost'}: this node ends as well")
            if alone_by_s is not None and now_s > alone_by_s + (CLOSING_S if (folder / RECORD).is_file() else 0):
                return Ended(_end(process), bool(signals.count) or peer_stopped)
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End torchrun and its workers: SIGTERM, which torchrun forwards to them, then SIGKILL."""
    os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + TORCHRUN_KILLS_AFTER_S + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
