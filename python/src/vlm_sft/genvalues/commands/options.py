"""Options that several `genvalues` commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vlm_sft.genvalues.experiment import Setting

Command = TypeVar("Command", bound=Callable[..., Any])


def values_options(command: Command) -> Command:
    """Add --with, --set, --set-string, --set-json and --chart."""
    for option in reversed(
        (
            click.option(
                "overlays",
                "--with",
                multiple=True,
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Values file put under each experiment, such as values/clusters/nautilus.yaml; may be repeated.",
            ),
            click.option("set_", "--set", multiple=True, metavar="KEY=VALUE", help="As helm --set; may be repeated."),
            click.option(
                "set_string", "--set-string", multiple=True, metavar="KEY=VALUE", help="As helm --set-string."
            ),
            click.option("set_json", "--set-json", multiple=True, metavar="KEY=JSON", help="As helm --set-json."),
            click.option(
                "--chart",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="The chart's directory; by default charts/vlm-sft here or above.",
            ),
        )
    ):
        command = option(command)
    return command


def settings(set_: tuple[str, ...], set_string: tuple[str, ...], set_json: tuple[str, ...]) -> list[Setting]:
    """Return the three kinds of options as one list."""
    return [
        *(Setting("--set-json", text) for text in set_json),
        *(Setting("--set", text) for text in set_),
        *(Setting("--set-string", text) for text in set_string),
    ]
