"""The command that starts ms-swift for one config: torchrun, ms-swift's entry point, the config as arguments.

It is what `swift sft CONFIG` ends up running, without the extra Python process that `swift` is (3 s of imports), plus
what the chart leaves to the trainer: the checkpoint to resume from and the callbacks of `swift_plugin`.
"""

import importlib.util
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError
from vlm_sft.train.swift_config import SwiftConfig

PLUGIN = Path(__file__).parent / "swift_plugin" / "run_recorder.py"
CALLBACKS = ("run_recorder", "stop_on_request")
RENDEZVOUS = ("NPROC_PER_NODE", "NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")  # ms-swift's names -> torchrun's


@dataclass(frozen=True)
class Launch:
    """A command line and the environment that it runs in."""

    command: list[str]
    env: dict[str, str]


def argv(args: Mapping[str, Any]) -> list[str]:
    """Return arguments as ms-swift itself reads them from YAML: lists as several values, mappings as JSON."""
    words: list[str] = []
    for name, value in args.items():
        words.append(f"--{name}")
        if isinstance(value, list):
            words += [str(item) for item in value]
        else:
            words.append(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value))
    return words


def launch(config: SwiftConfig, resume_from: Path | None, record: Path, stop_file: Path) -> Launch:
    """Return how to start ms-swift for `config`.

    Args:
        config: the rendered ms-swift config.
        resume_from: complete checkpoint to continue, or None to start anew.
        record: where rank 0 writes its facts at the end.
        stop_file: a file whose appearance asks the run to save and stop.

    Raises:
        ConfigError: ms-swift is not installed.
    """
    args = dict(config.args)
    args["external_plugins"] = [*config.texts("external_plugins"), str(PLUGIN)]
    args["callbacks"] = [*config.texts("callbacks"), *CALLBACKS]
    if resume_from is not None:
        args["resume_from_checkpoint"] = str(resume_from)

    env = {**config.env, **os.environ}
    if env.get("NNODES", "1") == "1":
        env["MASTER_PORT"] = str(_free_port())
    env |= {
        "SWIFT_CONFIG_FILE": str(config.path),  # ms-swift copies the file it names into the run directory
        "VLM_SFT_RECORD": str(record),
        "VLM_SFT_STOP_FILE": str(stop_file),
    }
    return Launch([*torchrun(env), entry_point("sft"), *argv(args)], env)


def torchrun(env: Mapping[str, str]) -> list[str]:
    """Return the command that starts one process a GPU, as ms-swift reads it from the environment."""
    options = [word for name in RENDEZVOUS if name in env for word in (f"--{name.lower()}", env[name])]
    return [sys.executable, "-m", "torch.distributed.run", *options]


def entry_point(command: str) -> str:
    """Return the path of the script behind `swift <command>`; finding it imports nothing.

    Raises:
        ConfigError: ms-swift is not installed.
    """
    spec = importlib.util.find_spec("swift")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("ms-swift: not installed; use the training image, or `pip install 'vlm-sft[train]'`")
    return str(Path(spec.submodule_search_locations[0]) / "cli" / f"{command}.py")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
