"""`genvalues schema` and `genvalues docs`: the chart's JSON schema, and the table of values in its README."""

from pathlib import Path

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands.options import chart_option
from vlm_sft.genvalues.commands.values_table import values_table
from vlm_sft.genvalues.values.chart import find_chart


@click.command()
@chart_option
def docs(chart_folder: Path | None) -> None:
    """Print the chart's values as a Markdown table, made of the comments in values.yaml."""
    click.echo(values_table(find_chart(chart_folder)))


@click.command()
@chart_option
def schema(chart_folder: Path | None) -> None:
    """Print the schema that values files are checked against, for editors and other tools."""
    path = find_chart(chart_folder) / "values.schema.json"
    try:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
