"""`genvalues diff`: two experiments compared in terms of the run, with diff's exit codes."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands.options import settings, values_options
from vlm_sft.genvalues.commands.run_diff import Change, run_diff
from vlm_sft.genvalues.experiment import Experiment, load_experiment
from vlm_sft.genvalues.values.chart import find_chart, load_chart

EXIT_DIFFERENT = 1
EXIT_TROUBLE = 2


@click.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@values_options
def diff(
    before: Path,
    after: Path,
    overlays: tuple[Path, ...],
    set_: tuple[str, ...],
    set_string: tuple[str, ...],
    set_json: tuple[str, ...],
    chart: Path | None,
) -> None:
    """Show what differs between the runs of two values files: batch, tokens, memory, arguments, other values.

    Exit code 0: the same run, 1: another one, 2: a file is wrong. The options hold for both files.
    """
    chosen = settings(set_, set_string, set_json)
    try:
        loaded = load_chart(find_chart(chart))
        experiments = [load_experiment(loaded, path, overlays, chosen) for path in (before, after)]
        found = run_diff(*_merged(experiments))
    except UserError as error:
        error.show()
        sys.exit(EXIT_TROUBLE)
    click.echo(f"--- {before}\n+++ {after}")
    _print("", found.outline)
    _print("# arguments of swift sft", found.arguments)
    _print("# environment", found.environment)
    _print("# other values", found.values)
    if found.is_same:
        click.echo("# the same run")
    sys.exit(0 if found.is_same else EXIT_DIFFERENT)


def _merged(experiments: Sequence[Experiment]) -> Iterator[dict[str, Any]]:
    """Yield the merged values; raises UserError with the errors of all files when there are any."""
    errors = [problem for one in experiments for problem in one.problems if problem.severity == "error"]
    if errors:
        raise UserError("\n".join(f"{problem.place}: {problem.text}" for problem in dict.fromkeys(errors)))
    for one in experiments:
        if one.values is not None:  # else there were errors
            yield cast(dict[str, Any], one.values.plain())


def _print(title: str, changes: Iterable[Change]) -> None:
    lines = [line for change in changes for line in _lines(change)]
    if lines:
        click.echo("\n".join([title, *lines] if title else lines))


def _lines(change: Change) -> Iterable[str]:
    if not change.is_change:
        return [f"  {change.before}"]
    return [f"{mark} {text}" for mark, text in (("-", change.before), ("+", change.after)) if text is not None]
