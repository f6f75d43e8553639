"""One command other than training, run to its end: `swift infer`, `swift export`, `megatron export`, or our own."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.launch.command import Launch, argv, entry_point, torchrun
from vlm_sft.launch.supervisor import supervise
from vlm_sft.stop_signals import StopSignals


def run_swift(
    command: str, args: Mapping[str, Any], env: dict[str, str], log: Callable[[str], None], program: str = "swift"
) -> None:
    """Run a command of ms-swift on NPROC_PER_NODE processes, or on one where the variable is not set.

    Raises:
        UserError: a signal ended it, or it failed.
        ConfigError: ms-swift is not installed.
    """
    start = torchrun(env) if "NPROC_PER_NODE" in env else [sys.executable]
    script = entry_point(command if program == "swift" else f"_{program}/{command}")
    run_command(f"{program} {command}", [*start, script, *argv(args)], env, log)


def run_command(name: str, command: list[str], env: dict[str, str], log: Callable[[str], None]) -> None:
    """Run a command line, its output on stderr; a signal ends it at once, because there is nothing to save.

    Raises:
        UserError: a signal ended it, or it failed.
    """
    with tempfile.TemporaryDirectory(prefix="vlm-sft-") as folder, StopSignals() as signals:
        ended = supervise(Launch(command, env, sys.stderr.fileno()), Path(folder), 0.1, log, signals)
    if ended.stop_requested:
        raise UserError(f"{name}: ended by a signal; the next run starts from the beginning")
    if ended.returncode != 0:
        raise UserError(f"{name}: ended with exit code {ended.returncode}; its own message is above")
