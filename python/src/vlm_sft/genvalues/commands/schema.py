"""`genvalues schema`: the chart's JSON schema on stdout."""

from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.values.chart import find_chart


@click.command()
@click.option("--chart", type=click.Path(path_type=Path), metavar="DIR", help="The chart's directory.")
def schema(chart: Path | None) -> None:
    """Print the schema that values files are checked against, for editors and other tools."""
    path = find_chart(chart) / "values.schema.json"
    try:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
