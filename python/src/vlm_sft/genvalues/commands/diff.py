"""`genvalues diff`: two experiments compared in terms of the run, with diff's exit codes."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import FILE, Chosen, values_options
from vlm_sft.genvalues.commands.run_diff import Change, run_diff

EXIT_DIFFERENT = 1
EXIT_TROUBLE = 2


@click.command()
@click.argument("before", metavar="A", type=FILE)
@click.argument("after", metavar="B", type=FILE)
@values_options
def diff(before: Path, after: Path, chosen: Chosen) -> None:
    """Show what differs between the runs of two values files: batch, tokens, memory, arguments, other values.

    Exit code 0: the same run, 1: another one, 2: a file is wrong. The options hold for both files.
    """
    try:
        one, other = (chosen.load(path) for path in (before, after))
    except UserError as error:
        error.show()
        sys.exit(EXIT_TROUBLE)
    if errors := [*one.errors, *other.errors]:
        click.echo(report_format.as_text(list(dict.fromkeys(errors))), err=True)
        sys.exit(EXIT_TROUBLE)
    found = run_diff(one, other)
    click.echo(f"--- {before}\n+++ {after}")
    _print("", found.outline)
    _print("# arguments of swift sft", found.arguments)
    _print("# environment", found.environment)
    _print("# other values", found.values)
    if found.is_same:
        click.echo("# the same run")
    sys.exit(0 if found.is_same else EXIT_DIFFERENT)


def _print(title: str, changes: Iterable[Change]) -> None:
    lines = [line for change in changes for line in _lines(change)]
    if lines:
        click.echo("\n".join([title, *lines] if title else lines))


def _lines(change: Change) -> Iterable[str]:
    if not change.is_change:
        return [f"  {change.before}"]
    return [f"{mark} {text}" for mark, text in (("-", change.before), ("+", change.after)) if text is not None]
