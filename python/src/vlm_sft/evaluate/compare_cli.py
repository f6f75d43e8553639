"""`vlm-sft evaluate compare`: parses and prints."""

import json
from pathlib import Path

import click

from vlm_sft.evaluate.compare import MAX_SHOWN, folder_of, text_of
from vlm_sft.evaluate.compare import compare as compare_results
from vlm_sft.evaluate.compare import published as compare_published
from vlm_sft.evaluate.result import IDENTITY, read_json
from vlm_sft.evaluate.tasks import TASKS


@click.command()
@click.argument("first", metavar="RUN_A", type=click.Path(path_type=Path))
@click.argument("second", metavar="[RUN_B]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--published", type=float, help="A published figure of the same task, compared with the headline of RUN_A."
)
@click.option("--anyway", is_flag=True, help="Compare evaluations that differ in data, task or decoding.")
@click.option("--flipped", type=click.Path(path_type=Path), help="File for all rows whose outcome differs, as JSONL.")
def compare(first: Path, second: Path | None, published: float | None, anyway: bool, flipped: Path | None) -> None:
    """Compare the evaluation of RUN_B with that of RUN_A, on the same rows.

    A run is a run directory, or a folder evaluation/TASK/IDENTITY. The difference is RUN_B - RUN_A.
    """
    if second is None and published is None:
        raise click.UsageError("name a second run, or --published NUMBER")
    one = folder_of(first)
    if published is not None:
        click.echo(compare_published(one, published))
    if second is None:
        return
    task = TASKS[str(read_json(one / IDENTITY)["task"])]
    comparisons = compare_results(one, folder_of(second), task.values, anyway=anyway)
    for comparison in comparisons:
        click.echo("\n".join(text_of(comparison)))
    flips = comparisons[0].flipped if comparisons else ()
    for name, before, after in flips[:MAX_SHOWN]:
        click.echo(f"  {name}: {before} -> {after}")
    if len(flips) > MAX_SHOWN:
        click.echo(f"  and {len(flips) - MAX_SHOWN:,} more; --flipped FILE writes all")
    if flipped is not None:
        rows = [{"id": name, "first": before, "second": after} for name, before, after in flips]
        flipped.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
