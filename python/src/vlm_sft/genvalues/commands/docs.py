"""`genvalues docs`: the table of the chart's README."""

from pathlib import Path

import click

from vlm_sft.genvalues.commands.options import chart_options
from vlm_sft.genvalues.commands.values_table import values_table
from vlm_sft.genvalues.values.chart import find_chart, load_chart


@click.command()
@chart_options
def docs(chart_folder: Path | None, helm: str | None) -> None:
    """Print the chart's values as a Markdown table, made of the comments in values.yaml."""
    click.echo(values_table(load_chart(find_chart(chart_folder), helm)))
