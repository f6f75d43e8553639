"""`vlm-sft serve`: chooses the weights and replaces this process by the server."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from vlm_sft.launch.command import argv
from vlm_sft.runs.finished_run import exported, finished_checkpoint, is_adapter, loadable
from vlm_sft.runs.report import FILE
from vlm_sft.runs.swift_config import read_swift_config

SERVER = Path(__file__).parent / "server.py"


@click.command()
@click.argument("model")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="ms-swift's own YAML for `swift deploy`: max_new_tokens, served_model_name, ...",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
def serve(model: str, config: Path | None, port: int) -> None:
    """Serve MODEL with `swift deploy`: the run directory of a finished training, a folder with weights, or a hub id.

    A run is served from its export if there is one, else from its checkpoint. The API key is read from VLM_SFT_API_KEY,
    so that no command line and no log shows it. Without a key, the API is open to everybody who can reach the port.
    """
    args: dict[str, Any] = {"use_hf": True}
    environment = dict(os.environ)
    if config is not None:
        given = read_swift_config(config)
        args, environment = {**args, **given.args}, {**given.env, **environment}
    command = [sys.executable, str(SERVER), *argv({**args, **chosen(model), "port": port})]
    os.execve(sys.executable, command, environment)  # noqa: S606 - the server receives the pod's signals directly


def chosen(model: str) -> dict[str, str]:
    """Return the arguments of ms-swift that name the weights to serve.

    Raises:
        ConfigError: the run is not finished, its checkpoint is missing, or the checkpoint must be exported first.
    """
    folder = Path(model)
    if not (folder / FILE).is_file():
        return {"model": model}
    checkpoint = finished_checkpoint(folder)
    model_folder = exported(folder, checkpoint) or loadable(folder, checkpoint)
    return {"adapters" if is_adapter(model_folder) else "model": str(model_folder)}
