"""`genvalues batch`, `memory` and `hours`: what a run will need. Parses options and prints."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack, cast

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.commands.options import settings, values_options
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import find_chart, load_chart

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)


class Chosen(TypedDict):
    """What `values_options` adds to a command."""

    overlays: tuple[Path, ...]
    set_: tuple[str, ...]
    set_string: tuple[str, ...]
    set_json: tuple[str, ...]
    chart: Path | None


def row_options(command: Command) -> Command:
    """Add --config, --tokens, --images and --supervised-share."""
    for option in reversed(
        (
            click.option("--config", type=FILE, metavar="FILE", help="config.json of a model that is not known here."),
            click.option("--tokens", type=click.IntRange(1), help="Tokens of a row; by default train.args.max_length."),
            click.option("--images", type=click.IntRange(0), default=1, help="Images of a row (1)."),
            click.option(
                "--supervised-share",
                type=click.FloatRange(0, 1, min_open=True),
                default=1.0,
                help="Share of a row's tokens that is trained on (1): only their logits are computed.",
            ),
        )
    ):
        command = option(command)
    return command


def sample_options(command: Command) -> Command:
    """Add --samples and --stats."""
    command = click.option("--stats", type=FILE, metavar="FILE", help="stats.json that the preparation wrote.")(command)
    return click.option("--samples", type=click.IntRange(1), help="Rows of the training set.")(command)


@click.command()
@click.argument("path", metavar="FILE", type=FILE, required=False)
@values_options
@sample_options
@click.option("--target", type=click.IntRange(1), help="Effective batch size to reach, in samples.")
@click.option("--gpus", type=click.IntRange(1), help="GPUs in all; by default those of FILE.")
def batch(
    path: Path | None,
    samples: int | None,
    stats: Path | None,
    target: int | None,
    gpus: int | None,
    **chosen: Unpack[Chosen],
) -> None:
    """Show the effective batch size as its product, and the optimizer steps; or the settings that reach --target."""
    from vlm_sft.genvalues.sizing import report as sizing_report
    from vlm_sft.genvalues.sizing.run_from_values import batch_from_values

    if path is None:
        if target is None or gpus is None:
            raise click.UsageError("give FILE, or --target and --gpus")
        click.echo(sizing_report.settings_for(target, gpus))
        return
    values = merged(path, chosen)
    now = batch_from_values(values)
    click.echo(sizing_report.batch_text(now, _samples(values, samples, stats), values))
    if target is not None:
        click.echo(sizing_report.settings_for(target, gpus or now.ranks))


@click.command()
@click.argument("path", metavar="FILE", type=FILE)
@values_options
@row_options
@click.option(
    "--gpu", metavar="NAME", help="a100-40g, a100-80g, h100-80g, h200-141g, l40s-48g, a6000-48g, 4090-24g, ..."
)
@click.option("--gpu-memory", type=click.FloatRange(0, min_open=True), metavar="GIB", help="Memory of a GPU, in GiB.")
def memory(
    path: Path,
    config: Path | None,
    tokens: int | None,
    images: int,
    supervised_share: float,
    gpu: str | None,
    gpu_memory: float | None,
    **chosen: Unpack[Chosen],
) -> None:
    """Show the predicted peak of each GPU by part, whether it fits, and what would make it fit, cheapest first.

    Exit code 1 when it does not fit.
    """
    from vlm_sft.genvalues.sizing import report as sizing_report
    from vlm_sft.genvalues.sizing.gpu import find_gpu
    from vlm_sft.genvalues.sizing.memory import estimate
    from vlm_sft.genvalues.sizing.run_from_values import RowOverrides, run_from_values

    run = run_from_values(merged(path, chosen), config, RowOverrides(tokens or 0, images, supervised_share))
    peak = estimate(run)
    click.echo(sizing_report.memory_text(run, peak))
    room = gpu_memory if gpu_memory is not None else find_gpu(gpu).memory_gib if gpu else None
    if room is not None:
        click.echo(sizing_report.fit_text(run, peak, room))
        sys.exit(peak.expected_gib > room)


@click.command()
@click.argument("path", metavar="FILE", type=FILE)
@values_options
@row_options
@sample_options
@click.option("--gpu", metavar="NAME", default="a100-80g", help="Kind of GPU (a100-80g).")
@click.option("--mfu", type=click.FloatRange(0, 1, min_open=True), help="Model FLOPs utilisation, 0 to 1.")
def hours(
    path: Path,
    config: Path | None,
    tokens: int | None,
    images: int,
    supervised_share: float,
    samples: int | None,
    stats: Path | None,
    gpu: str,
    mfu: float | None,
    **chosen: Unpack[Chosen],
) -> None:
    """Show optimizer steps, tokens, FLOPs and hours, at a stated utilisation of the GPU's bf16 peak."""
    from vlm_sft.genvalues.sizing import report as sizing_report
    from vlm_sft.genvalues.sizing.gpu import find_gpu
    from vlm_sft.genvalues.sizing.hours import hours as hours_of
    from vlm_sft.genvalues.sizing.run_from_values import RowOverrides, batch_from_values, run_from_values
    from vlm_sft.genvalues.sizing.run_steps import steps_of

    values = merged(path, chosen)
    run = run_from_values(values, config, RowOverrides(tokens or 0, images, supervised_share))
    steps = steps_of(batch_from_values(values), _samples(values, samples, stats), values)
    if steps is None:
        raise UserError("train.dataset: the number of rows is not known; give --samples N or --stats stats.json")
    kind = find_gpu(gpu)
    click.echo(sizing_report.hours_text(run, hours_of(run, steps, kind, mfu), kind))


def merged(path: Path, chosen: Chosen) -> dict[str, Any]:
    """Return the merged values, or leave with their problems printed and exit code 1."""
    options = settings(chosen["set_"], chosen["set_string"], chosen["set_json"])
    experiment = load_experiment(load_chart(find_chart(chosen["chart"])), path, chosen["overlays"], options)
    errors = [problem for problem in experiment.problems if problem.severity == "error"]
    if errors or experiment.values is None:
        click.echo(report_format.as_text(errors), err=True)
        sys.exit(1)
    return cast(dict[str, Any], experiment.values.plain())


def _samples(values: dict[str, Any], samples: int | None, stats: Path | None) -> int | None:
    from vlm_sft.genvalues.sizing.samples import samples_from_stats, samples_from_values

    if samples is not None:
        return samples
    return samples_from_stats(stats) if stats else samples_from_values(values)
