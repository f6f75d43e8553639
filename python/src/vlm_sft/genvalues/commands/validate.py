"""`genvalues validate`: report every mistake of all files in one run."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import FILE, Chosen, values_options
from vlm_sft.genvalues.experiment import find_experiments
from vlm_sft.genvalues.values.problem import Problem


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
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for Helm
        for experiment in pool.map(lambda file: chosen.load(file, release), files):
            found.update(experiment.problems)
    problems = sorted(replace(problem, severity="error") if strict else problem for problem in found)
    _print(problems, len(files), format_)
    sys.exit(any(problem.severity == "error" for problem in problems))


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
