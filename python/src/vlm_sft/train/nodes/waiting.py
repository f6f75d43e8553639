"""Waiting for the other nodes: bounded, told once a minute, and over when there is nothing left to wait for."""

import time
from collections.abc import Callable
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.runs.report import is_finished
from vlm_sft.stop_signals import StopSignals

TELL_EVERY_S = 60.0
WAY_OUT = "look at the other pods of this Job (kubectl get pods): pending, or failed? and at its headless Service"


class StoppedWaitingError(Exception):
    """A stop was asked for, or another node has finished the run, before all nodes were there."""


def waiting(
    run_dir: Path, limit_s: float, signals: StopSignals, say: Callable[[str], None]
) -> Callable[[str, float], None]:
    """Return the `wait` of `gang.call_roll`: it sleeps, or raises when waiting is over.

    Args:
        run_dir: when its report says finished, another node has brought the run to its end.
        limit_s: seconds until the wait fails, so that the pod is tried again and its GPUs are free until then.
        signals: a stop request ends the wait.
        say: takes one line for the log.
    """
    began_s = time.monotonic()
    told_s = began_s

    def wait(waited_for: str, pause_s: float) -> None:
        nonlocal told_s
        if signals.count or is_finished(run_dir):
            raise StoppedWaitingError
        now_s = time.monotonic()
        if now_s - began_s > limit_s:
            raise UserError(f"{waited_for} (for {limit_s:.0f} s); {WAY_OUT}")
        if now_s - told_s > TELL_EVERY_S:
            told_s = now_s
            say(f"waiting for {now_s - began_s:.0f} s: {waited_for}")
        time.sleep(pause_s)

    return wait
