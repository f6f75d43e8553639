"""A finished run that continues with more steps.

The chart gives such a config the same run directory where the schedule allows it: see its files/same-run.yaml.
"""

from collections.abc import Callable
from pathlib import Path

from vlm_sft.runs.checkpoint import saved_arguments
from vlm_sft.runs.report import read_report, unfinish
from vlm_sft.runs.swift_config import SwiftConfig


def extended(config: SwiftConfig, log: Callable[[str], None]) -> bool:
    """Return whether a finished run is asked for more steps; its report then says that it is stopped.

    `max_steps` counts, and without it `num_train_epochs`, as in ms-swift.
    """
    report = read_report(config.output_dir) or {}
    done = saved_arguments(Path(str(report.get("checkpoint") or ".")))
    name = "max_steps" if _number(config.args.get("max_steps")) > 0 else "num_train_epochs"
    before, now = _number(done.get(name)), _number(config.args.get(name))
    if not before > 0 or now <= before:
        return False
    log(f"{config.output_dir}: finished with {name} {before:g}; continuing to {now:g}")
    unfinish(config.output_dir)
    return True


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
