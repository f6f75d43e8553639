"""Trackers of ms-swift's `report_to`: whether the image has their packages, and the environment their keys.

transformers imports a tracker when the trainer starts, on the GPUs; the preparation runs these checks before.
"""

import os
from collections.abc import Mapping

import click

from vlm_sft.errors import ConfigError
from vlm_sft.train.installed import importable

# Tracker, which is also its package -> the variable that it needs, and the one that makes it log without a server.
VARIABLES = {
    "mlflow": ("MLFLOW_TRACKING_URI", None),  # without it, the metrics would end in the pod's own folder
    "swanlab": ("SWANLAB_API_KEY", "SWANLAB_MODE"),
    "wandb": ("WANDB_API_KEY", "WANDB_MODE"),
}

WITHOUT_SERVER = {"offline", "local", "disabled"}


def missing(trackers: list[str], env: Mapping[str, str]) -> list[str]:
    """Return one line for each package or variable that the trackers lack; other names are left to ms-swift."""
    lines = []
    for tracker in trackers:
        if tracker not in VARIABLES:
            continue
        key, mode = VARIABLES[tracker]
        if not importable(tracker):
            lines.append(
                f"report_to: {tracker} is not in this image; build it with `docker build -f docker/Dockerfile "
                f"--build-arg EXTRAS={tracker}`, or remove {tracker} from train.args.report_to"
            )
        elif not env.get(key) and (mode is None or env.get(mode) not in WITHOUT_SERVER):
            lines.append(
                f"report_to: {tracker} needs {key}, which is not set; add it to the secret that "
                f"train.trackers.secretName names, or remove {tracker} from train.args.report_to"
            )
    return lines


@click.command()
@click.argument("trackers", metavar="TRACKER...", nargs=-1, required=True)
def trackers(trackers: tuple[str, ...]) -> None:
    """Check that this image has the packages of TRACKER (wandb, mlflow, swanlab), and the environment their keys."""
    if lines := missing(list(trackers), os.environ):
        raise ConfigError("\n".join(lines))
    click.echo(f"{', '.join(trackers)}: ready")
