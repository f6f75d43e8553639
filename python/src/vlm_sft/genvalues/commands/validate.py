"""`genvalues validate`: every mistake of all files in one go."""

import sys
from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import settings, values_options
from vlm_sft.genvalues.experiment import find_experiments, load_experiment
from vlm_sft.genvalues.rules.chart_rules import check_release_name
from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.chart import find_chart, load_chart


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@values_options
@click.option("--release", metavar="NAME", help="Check this release name too, as given to helm install.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("format_", "--format", type=click.Choice(report_format.FORMATS), default="text", show_default=True,
              help="How problems are written.")  # fmt: skip
def validate(
    paths: tuple[Path, ...],
    overlays: tuple[Path, ...],
    set_: tuple[str, ...],
    set_string: tuple[str, ...],
    set_json: tuple[str, ...],
    chart: Path | None,
    release: str | None,
    strict: bool,
    format_: str,
) -> None:
    """Read values files as Helm reads them and report all that is wrong, with its line and its way out.

    Each FILE is an experiment of its own; a directory is searched for .yaml files, except those below clusters/.
    """
    files = find_experiments(paths)
    if not files:
        raise UserError(f"{paths[0]}: holds no values files (*.yaml)")
    loaded_chart = load_chart(find_chart(chart))
    chosen = settings(set_, set_string, set_json)
    found: set[Problem] = set()
    wrong_name = check_release_name(release) if release else None
    if wrong_name:
        found.add(Problem("--release", 0, 0, "release name", wrong_name, rule="chart"))
    for file in files:
        found.update(load_experiment(loaded_chart, file, overlays, chosen).problems)
    problems = sorted(problem.as_error() if strict else problem for problem in found)
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
