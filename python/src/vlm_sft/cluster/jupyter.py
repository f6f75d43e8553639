"""`vlm-sft jupyter`: JupyterLab in a pod, protected by a token that is created once and kept."""

import os
import secrets
import sys
from pathlib import Path

import click

from vlm_sft.errors import UserError


@click.command()
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    required=True,
    help="File that stores the token, readable only by its owner; created when it is missing.",
)
@click.option("--root-dir", type=click.Path(path_type=Path), required=True, help="Folder that the file browser shows.")
@click.option("--port", type=click.IntRange(1, 65535), default=8888, show_default=True, help="Port to listen on.")
def jupyter(token_file: Path, root_dir: Path, port: int) -> None:
    """Start JupyterLab with the token of --token-file.

    The token appears neither on the command line nor in the manifest nor in Helm's values.
    """
    environment = {**os.environ, "JUPYTER_TOKEN": kept_token(token_file)}
    options = ["--ip=0.0.0.0", f"--port={port}", "--no-browser", f"--ServerApp.root_dir={root_dir}"]
    os.execvpe(sys.executable, [sys.executable, "-m", "jupyterlab", *options], environment)  # noqa: S606


def kept_token(path: Path) -> str:
    """Return the token in a file; create it with 192 random bits when the file is missing.

    Raises:
        UserError: the file can be neither read nor created, or is empty.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    except OSError as error:
        if not isinstance(error, FileExistsError):  # created by an earlier pod: its token stays valid
            raise UserError(
                f"{path}: {error.strerror}; the token is stored there, so its folder must be writable"
            ) from None
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; delete it for a new token") from None
    if not token:
        raise UserError(f"{path}: empty; delete it for a new token")
    return token
