"""`vlm-sft serve`: chooses what to serve, and becomes the server."""

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

    Of a run it takes the export where there is one, else the checkpoint. The API key is read from VLM_SFT_API_KEY, so
    that it is on no command line and in no log; without one, everybody who reaches the port may ask.
    """
    args: dict[str, Any] = {"use_hf": True}
    environment = dict(os.environ)
    if config is not None:
        given = read_swift_config(config)
        args, environment = {**args, **given.args}, {**given.env, **environment}
    command = [sys.executable, str(SERVER), *argv({**args, **chosen(model), "port": port})]
    os.execve(sys.executable, command, environment)  # noqa: S606 - the server gets the pod's signals itself


def chosen(model: str) -> dict[str, str]:
    """Return the arguments of ms-swift that name what is served.

    Raises:
        ConfigError: a run directory whose run is not finished, whose checkpoint is gone, or is to be exported first.
    """
    folder = Path(model)
    if not (folder / FILE).is_file():
        return {"model": model}
    checkpoint = finished_checkpoint(folder)
    model_folder = exported(folder, checkpoint) or loadable(folder, checkpoint)
    return {"adapters" if is_adapter(model_folder) else "model": str(model_folder)}
