"""`genvalues schema`: the chart's JSON schema on stdout."""

from pathlib import Path

import click

from vlm_sft.genvalues.values.chart import find_chart, load_chart


@click.command()
@click.option("--chart", type=click.Path(path_type=Path), metavar="DIR", help="The chart's directory.")
def schema(chart: Path | None) -> None:
    """Print the schema that values files are checked against, for editors and other tools."""
    directory = find_chart(chart)
    load_chart(directory)
    click.echo((directory / "values.schema.json").read_text(encoding="utf-8"), nl=False)
