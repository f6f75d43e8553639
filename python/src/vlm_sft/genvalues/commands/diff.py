"""`genvalues diff`: two experiments compared in terms of the run, with diff's exit codes."""

import sys
from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import FILE, Chosen, values_options
from vlm_sft.genvalues.commands.run_change import run_change
from vlm_sft.genvalues.commands.run_diff import run_diff

EXIT_DIFFERENT, EXIT_TROUBLE = 1, 2


@click.command()
@click.argument("before", metavar="A", type=FILE)
@click.argument("after", metavar="B", type=FILE)
@values_options
def diff(before: Path, after: Path, chosen: Chosen) -> None:
    """Show what differs between the runs of two values files: batch, tokens, memory, arguments, other values.

    The last line shows whether an upgrade of a release from A to B continues its run. Exit code 0: nothing differs,
    1: something does, 2: a file is wrong. The options apply to both files.
    """
    try:
        one, other = (chosen.load(path) for path in (before, after))
    except UserError as error:
        error.show()
        sys.exit(EXIT_TROUBLE)
    if errors := [*one.errors, *other.errors]:
        click.echo(report_format.as_text(list(dict.fromkeys(errors))), err=True)
        sys.exit(EXIT_TROUBLE)
    sections = run_diff(one, other)
    click.echo(f"--- {before}\n+++ {after}")
    for title, lines in sections.items():
        if lines:
            click.echo("\n".join([title, *lines] if title else lines))
    if is_same := not any(lines for title, lines in sections.items() if title):
        click.echo("# the same run")
    elif change := run_change(one, other):
        click.echo(f"# {change}")
    sys.exit(0 if is_same else EXIT_DIFFERENT)
