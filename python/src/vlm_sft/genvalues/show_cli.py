"""`genvalues show`: the merged values, one per line, with the place each comes from."""

import json
import sys
from pathlib import Path

import click

from vlm_sft.genvalues import report_format
from vlm_sft.genvalues.chart import find_chart, load_chart
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.node import dotted
from vlm_sft.genvalues.options import settings, values_options


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@values_options
@click.option("--changed", is_flag=True, help="Leave out what is the chart's default.")
def show(
    path: Path,
    overlays: tuple[Path, ...],
    set_: tuple[str, ...],
    set_string: tuple[str, ...],
    set_json: tuple[str, ...],
    chart: Path | None,
    changed: bool,
) -> None:
    """Show the values that Helm would render with, and where each comes from: default, file and line, or --set."""
    loaded = load_chart(find_chart(chart))
    experiment = load_experiment(loaded, path, overlays, settings(set_, set_string, set_json))
    if experiment.problems:
        click.echo(report_format.as_text(experiment.problems), err=True)
    if experiment.values is None:
        sys.exit(1)
    defaults = str(loaded.directory / "values.yaml")
    for key, node in experiment.values.leaves():
        is_default = node.origin.source == defaults
        if not (is_default and changed):
            place = "default" if is_default else str(node.origin)
            click.echo(f"{dotted(key)} = {json.dumps(node.plain(), ensure_ascii=False)}  # {place}")
    sys.exit(any(problem.severity == "error" for problem in experiment.problems))
