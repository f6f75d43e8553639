"""How the trainer of one config is started: ms-swift's command, with what the chart leaves to the supervisor.

That is the checkpoint to resume from and the callbacks of `swift_plugin`.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_sft.launch.command import Launch, argv, entry_point, torchrun
from vlm_sft.runs.megatron_checkpoint import resume_arguments
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.train.curve import VARIABLE
from vlm_sft.train.nodes.node_group import Attempt
from vlm_sft.train.nodes.place import Place

PLUGINS = Path(__file__).parent / "swift_plugin"
CALLBACKS = ("run_recorder", "stop_on_request")
STARTED_WITH = "VLM_SFT_STARTED_WITH"  # processes, where the run continues with another number of them
RENDEZVOUS_S = 300  # all supervisors are present when torchrun starts: this covers torchrun's own start


def launch(
    config: SwiftConfig, place: Place, attempt: Attempt, folder: Path, variables: Mapping[str, str] | None = None
) -> Launch:
    """Return how to start ms-swift for `config` on this node.

    Args:
        config: the rendered ms-swift config.
        place: rank and address of this node.
        attempt: the id that all nodes use for this attempt, and the checkpoint to resume from, if any.
        folder: of this attempt and this node. `stop` requests to save and stop. The ranks write `record.json` at the
            end of training, or `rank-<N>.json` when they fail.
        variables: further ones for the ranks.

    Raises:
        ConfigError: ms-swift is not installed.
    """
    args = dict(config.args)
    plugin = PLUGINS / ("megatron_recorder.py" if config.is_megatron else "run_recorder.py")
    args["external_plugins"] = [*config.texts("external_plugins"), str(plugin)]
    curve = ["accuracy_curve"] if VARIABLE in (variables or {}) else []
    args["callbacks"] = [*config.texts("callbacks"), *CALLBACKS, *curve]
    if attempt.resume_from is not None:
        args |= _resume_arguments(config, attempt.resume_from)

    env = {
        **config.env,
        **os.environ,
        "NNODES": str(place.nodes),
        "NODE_RANK": str(place.rank),
        "MASTER_ADDR": place.master,
        "MASTER_PORT": str(place.port or _free_port()),
        "SWIFT_CONFIG_FILE": str(config.path),  # ms-swift copies this file into the run directory
        "VLM_SFT_ATTEMPT_DIR": str(folder),
        "VLM_SFT_RUN_DIR": str(config.output_dir),
        **(variables or {}),
    }
    command = torchrun(env)
    if place.nodes > 1:
        command += ["--rdzv_id", attempt.id, "--rdzv_conf", f"timeout={RENDEZVOUS_S}"]
    return Launch([*command, entry_point("_megatron/sft" if config.is_megatron else "sft"), *argv(args)], env)


def _resume_arguments(config: SwiftConfig, checkpoint: Path) -> dict[str, Any]:
    if config.is_megatron:
        return resume_arguments(checkpoint, str(config.args.get("tuner_type", "full")))
    return {"resume_from_checkpoint": str(checkpoint)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
