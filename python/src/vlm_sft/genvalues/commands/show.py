"""`genvalues show`: the merged values, one per line, with the place each comes from, and the command that results."""

import json
import sys
from pathlib import Path
from typing import Any, cast

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import settings, values_options
from vlm_sft.genvalues.commands.shell_command import shell_command
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.sizing.train_config import train_config
from vlm_sft.genvalues.values.chart import find_chart, load_chart
from vlm_sft.genvalues.values.node import Node, dotted
from vlm_sft.swift_arguments.check import PROGRAMS


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@values_options
@click.option("--changed", is_flag=True, help="Leave out what is the chart's default.")
@click.option("--command", "command_only", is_flag=True, help="Print the ms-swift command line alone.")
@click.option("--release", metavar="NAME", default="RELEASE", help="Release name in the run directory (RELEASE).")
def show(
    path: Path,
    overlays: tuple[Path, ...],
    set_: tuple[str, ...],
    set_string: tuple[str, ...],
    set_json: tuple[str, ...],
    chart: Path | None,
    changed: bool,
    command_only: bool,
    release: str,
) -> None:
    """Show the values that Helm would render with, where each comes from, and the ms-swift command line that results.

    A value comes from the chart's defaults, a file and line, or an option such as --set.
    """
    loaded = load_chart(find_chart(chart))
    experiment = load_experiment(loaded, path, overlays, settings(set_, set_string, set_json))
    if experiment.problems:
        click.echo(report_format.as_text(experiment.problems), err=True)
    if experiment.values is None:
        sys.exit(1)
    is_wrong = any(problem.severity == "error" for problem in experiment.problems)
    if not command_only:
        _print_values(experiment.values, str(loaded.directory / "values.yaml"), changed)
    if not is_wrong and loaded.has_rules:
        _print_command(cast(dict[str, Any], experiment.values.plain()), release, command_only)
    sys.exit(is_wrong)


def _print_values(values: Node, defaults: str, changed: bool) -> None:
    for key, node in values.leaves():
        is_default = node.origin.source == defaults
        if not (is_default and changed):
            place = "default" if is_default else str(node.origin)
            click.echo(f"{dotted(key)} = {json.dumps(node.plain(), ensure_ascii=False)}  # {place}")


def _print_command(values: dict[str, Any], release: str, alone: bool) -> None:
    if not values["train"]["enabled"]:
        if alone:
            raise UserError("train.enabled: false, so no command results; set it to true")
        return
    config = train_config(values)
    if not alone:
        click.echo("\n# what ms-swift is told in train.yaml, as a command line")
    program = PROGRAMS["megatron" if values["train"]["backend"] == "megatron" else "sft"]
    click.echo(shell_command(config.args_for(release), config.env, program))
