"""`vlm-sft report`: prints the report of a run as a table."""

from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.runs.report import FILE, read_report, table


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
def report(run_dir: Path) -> None:
    """Show the report of the run in RUN_DIR."""
    found = read_report(run_dir)
    if found is None:
        raise UserError(f"{run_dir / FILE}: missing or unreadable; wait until the run ends, or give a run directory")
    click.echo(table(found))
