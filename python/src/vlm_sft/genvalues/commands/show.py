"""`genvalues show`: the merged values, one per line, with the place each comes from, and the command that results."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import FILE, Chosen, values_options
from vlm_sft.genvalues.commands.shell_command import shell_command
from vlm_sft.genvalues.experiment import Experiment
from vlm_sft.genvalues.values.helm import RELEASE
from vlm_sft.genvalues.values.places import Path as KeyPath
from vlm_sft.genvalues.values.places import dotted
from vlm_sft.swift_arguments.check import PROGRAMS


@click.command()
@click.argument("path", metavar="FILE", type=FILE)
@values_options
@click.option("--changed", is_flag=True, help="Leave out the chart's defaults.")
@click.option("--command", "command_only", is_flag=True, help="Print the ms-swift command line alone.")
@click.option("--release", metavar="NAME", help="Release name in the run directory (RELEASE).")
def show(path: Path, chosen: Chosen, changed: bool, command_only: bool, release: str | None) -> None:
    """Show the values that Helm renders with, where each comes from, and the ms-swift command line that results.

    A value comes from the chart's defaults, a file and line, or an option such as --set.
    """
    experiment = chosen.load(path, release)
    if experiment.problems:
        click.echo(report_format.as_text(experiment.problems), err=True)
    if experiment.values is None:
        sys.exit(1)
    if not command_only:
        _print_values(experiment, experiment.values, changed)
    if not experiment.errors:
        _print_command(experiment, command_only)
    sys.exit(bool(experiment.errors))


def _print_values(experiment: Experiment, values: dict[str, Any], changed: bool) -> None:
    for path, value in leaves(values):
        place = experiment.places.written(path)
        if place is not None or not changed:
            click.echo(f"{dotted(path)} = {json.dumps(value, ensure_ascii=False)}  # {place or 'default'}")


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:  # noqa: ANN401 - a JSON value may be anything
    """Yield every scalar, empty mapping and empty list with its path."""
    if isinstance(value, dict | list) and value:
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, (*path, step))
    else:
        yield path, value


def _print_command(experiment: Experiment, alone: bool) -> None:
    config = experiment.config
    if config is None:
        if alone:
            raise UserError("train.enabled: false, so no command results; set it to true")
        return
    if not alone:
        click.echo("\n# train.yaml as a command line of ms-swift")
    folder = str(config.args["output_dir"]).replace(f"/{RELEASE}/", "/RELEASE/")
    program = PROGRAMS["megatron" if config.is_megatron else "sft"]
    click.echo(shell_command({**config.args, "output_dir": folder}, config.env, program))
