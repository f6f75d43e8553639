"""Waiting for the other nodes: with a time limit, logged once a minute, ended by a stop request or a finished run."""

import time
from collections.abc import Callable
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.runs.report import is_finished
from vlm_sft.stop_signals import StopSignals

LOG_EVERY_S = 60.0
WAY_OUT = "look at the other pods of this Job (kubectl get pods): pending, or failed? and at its headless Service"


class StoppedWaitingError(Exception):
    """A stop was requested, or another node has finished the run, before all nodes were connected."""


def waiting(
    run_dir: Path, limit_s: float, signals: StopSignals, log: Callable[[str], None]
) -> Callable[[str, float], None]:
    """Return the `wait` of `wait_for_all_nodes`: it sleeps, or raises when waiting is over.

    Args:
        run_dir: a report there with status finished means that another node has finished the run.
        limit_s: seconds until the wait fails; the pod then ends, frees its GPUs and is retried.
        signals: a stop request ends the wait.
        log: takes one line for the log.
    """
    began_s = time.monotonic()
    logged_s = began_s

    def wait(missing: str, pause_s: float) -> None:
        nonlocal logged_s
        if signals.count or is_finished(run_dir):
            raise StoppedWaitingError
        now_s = time.monotonic()
        if now_s - began_s > limit_s:
            raise UserError(f"{missing} (for {limit_s:.0f} s); {WAY_OUT}")
        if now_s - logged_s > LOG_EVERY_S:
            logged_s = now_s
            log(f"waiting for {now_s - began_s:.0f} s: {missing}")
        time.sleep(pause_s)

    return wait
