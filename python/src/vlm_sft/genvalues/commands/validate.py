"""`genvalues validate`: report every mistake of all files in one run."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import FILE, Chosen, values_options
from vlm_sft.genvalues.experiment import find_experiments
from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.problem import Problem

_NO_IMAGE = (
    "note: image.repository: not set, so pods pull the image from Docker Hub unless the nodes have it; give "
    "--set image.repository=REGISTRY/vlm-sft here and to Helm, or set it in the cluster's file"
)


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=FILE)
@values_options
@click.option("--release", metavar="NAME", help="Check this release name too, as given to helm install.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("format_", "--format", type=click.Choice(report_format.FORMATS), default="text", show_default=True,
              help="How problems are written.")  # fmt: skip
def validate(paths: tuple[Path, ...], chosen: Chosen, release: str | None, strict: bool, format_: str) -> None:
    """Merge and render values files with Helm and report all that is wrong, each with its line and its way out.

    Each FILE is an experiment of its own; a directory is searched for .yaml files, except those below clusters/.
    """
    files = find_experiments(paths)
    if not files:
        raise UserError(f"{paths[0]}: holds no values files (*.yaml)")
    chosen.chart  # noqa: B018 - read once, before the threads use it
    found: set[Problem] = set()
    without_image = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for Helm
        for experiment in pool.map(lambda file: chosen.load(file, release), files):
            found.update(experiment.problems)
            without_image += not experiment.errors and _has_default_image(chosen.chart, experiment.values or {})
    problems = sorted(replace(problem, severity="error") if strict else problem for problem in found)
    _print(problems, len(files), format_)
    if without_image and format_ == "text":
        click.echo(_NO_IMAGE, err=True)
    sys.exit(any(problem.severity == "error" for problem in problems))


def _has_default_image(chart: Chart, values: dict[str, Any]) -> bool:
    image = values.get("image")
    return isinstance(image, dict) and image.get("repository") == chart.defaults["image"]["repository"]


def _print(problems: list[Problem], files: int, format_: str) -> None:
    if format_ == "json":
        click.echo(report_format.as_json(problems, files))
    elif format_ == "sarif":
        click.echo(report_format.as_sarif(problems))
    elif problems:
        text = report_format.as_github(problems) if format_ == "github" else report_format.as_text(problems)
        click.echo(text, err=format_ == "text")
    if format_ == "text" and all(problem.severity == "warning" for problem in problems):
        click.echo(f"{files} values file{'s' if files > 1 else ''} ok")
