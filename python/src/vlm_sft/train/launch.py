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
from vlm_sft.runs.megatron_checkpoint import resume_arguments
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.train.nodes.node_group import Attempt
from vlm_sft.train.nodes.place import Place

PLUGINS = Path(__file__).parent / "swift_plugin"
CALLBACKS = ("run_recorder", "stop_on_request")
RENDEZVOUS = ("NPROC_PER_NODE", "NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")  # ms-swift's names -> torchrun's
RENDEZVOUS_S = 300  # all supervisors are there when torchrun starts: what is left is its own start


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


def launch(config: SwiftConfig, place: Place, attempt: Attempt, folder: Path) -> Launch:
    """Return how to start ms-swift for `config` on this node.

    Args:
        config: the rendered ms-swift config.
        place: which node this is.
        attempt: the checkpoint to continue, if any, and what the nodes of this attempt call it.
        folder: of this attempt and this node: `stop` asks the run to save and stop; the ranks leave `record.json` at
            the end of training, or `rank-<N>.json` when they fail.

    Raises:
        ConfigError: ms-swift is not installed.
    """
    args = dict(config.args)
    plugin = PLUGINS / ("megatron_recorder.py" if config.is_megatron else "run_recorder.py")
    args["external_plugins"] = [*config.texts("external_plugins"), str(plugin)]
    args["callbacks"] = [*config.texts("callbacks"), *CALLBACKS]
    if attempt.resume_from is not None:
        args |= _resume_arguments(config, attempt.resume_from)

    env = {
        **config.env,
        **os.environ,
        "NNODES": str(place.nodes),
        "NODE_RANK": str(place.rank),
        "MASTER_ADDR": place.master,
        "MASTER_PORT": str(place.port or _free_port()),
        "SWIFT_CONFIG_FILE": str(config.path),  # ms-swift copies the file it names into the run directory
        "VLM_SFT_ATTEMPT_DIR": str(folder),
        "VLM_SFT_RUN_DIR": str(config.output_dir),
    }
    command = torchrun(env)
    if place.nodes > 1:
        command += ["--rdzv_id", attempt.id, "--rdzv_conf", f"timeout={RENDEZVOUS_S}"]
    return Launch([*command, entry_point("_megatron/sft" if config.is_megatron else "sft"), *argv(args)], env)


def _resume_arguments(config: SwiftConfig, checkpoint: Path) -> dict[str, Any]:
    if config.is_megatron:
        return resume_arguments(checkpoint, str(config.args.get("tuner_type", "full")))
    return {"resume_from_checkpoint": str(checkpoint)}


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
