"""`genvalues batch`, `memory` and `hours`: what a run needs. Parses options and prints."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands.options import FILE, Chosen, values_options
from vlm_sft.genvalues.sizing import report
from vlm_sft.genvalues.sizing.gpu import find_gpu
from vlm_sft.genvalues.sizing.hours import hours as hours_of
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.run_shape import RunShape
from vlm_sft.genvalues.sizing.run_steps import samples_from_config, samples_from_stats, steps_of
from vlm_sft.genvalues.sizing.sized_run import RowOverrides, batch_of, run_shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig

Sized = Callable[[TrainConfig], RunShape]
Count = Callable[[TrainConfig], int | None]


def row_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config, --tokens, --images and --supervised-share, which reach the command as `sized`: config -> run."""

    @functools.wraps(command)
    def with_rows(
        config: Path | None,
        tokens: int | None,
        images: int,
        supervised_share: float,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        command(
            sized=lambda found: run_shape(found, config, RowOverrides(tokens or 0, images, supervised_share)), **rest
        )

    share_help = "Share of a row's tokens that is trained on (1): only their logits are computed."
    for option in (
        click.option("--supervised-share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help=share_help),
        click.option("--images", type=click.IntRange(0), default=1, help="Images of a row (1)."),
        click.option("--tokens", type=click.IntRange(1), help="Tokens of a row; by default train.args.max_length."),
        click.option("--config", type=FILE, metavar="FILE", help="config.json of a model that is not known here."),
    ):
        with_rows = option(with_rows)
    return with_rows


def sample_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --samples and --stats, which reach the command as `count`: config -> rows of the training set, if known."""

    @functools.wraps(command)
    def with_samples(samples: int | None, stats: Path | None, **rest: Any) -> None:  # noqa: ANN401
        given = samples if samples is not None or stats is None else samples_from_stats(stats)
        command(count=lambda config: samples_from_config(config) if given is None else given, **rest)

    with_samples = click.option("--stats", type=FILE, metavar="FILE", help="stats.json that the preparation wrote.")(
        with_samples
    )
    return click.option("--samples", type=click.IntRange(1), help="Rows of the training set.")(with_samples)


@click.command()
@click.argument("path", metavar="FILE", type=FILE, required=False)
@values_options
@sample_options
@click.option("--target", type=click.IntRange(1), help="Effective batch size to reach, in samples.")
@click.option("--gpus", type=click.IntRange(1), help="GPUs in all; by default those of FILE.")
def batch(path: Path | None, target: int | None, gpus: int | None, chosen: Chosen, count: Count) -> None:
    """Show the effective batch size as its product, and the optimizer steps; or the settings that reach --target."""
    if path is None:
        if target is None or gpus is None:
            raise click.UsageError("give FILE, or --target and --gpus")
        click.echo(report.settings_for(target, gpus))
        return
    config = chosen.config(path)
    now = batch_of(config)
    click.echo(report.batch_text(now, count(config), config))
    if target is not None:
        click.echo(report.settings_for(target, gpus or now.ranks))


@click.command()
@click.argument("path", metavar="FILE", type=FILE)
@values_options
@row_options
@click.option(
    "--gpu", metavar="NAME", help="a100-40g, a100-80g, h100-80g, h200-141g, l40s-48g, a6000-48g, 4090-24g, ..."
)
@click.option("--gpu-memory", type=click.FloatRange(0, min_open=True), metavar="GIB", help="Memory of a GPU, in GiB.")
def memory(path: Path, gpu: str | None, gpu_memory: float | None, chosen: Chosen, sized: Sized) -> None:
    """Show the predicted peak of each GPU by part, whether it fits, and what would make it fit, cheapest first.

    Exit code 1 when it does not fit.
    """
    run = sized(chosen.config(path))
    peak = estimate(run)
    click.echo(report.memory_text(run, peak))
    room = gpu_memory if gpu_memory is not None else find_gpu(gpu).memory_gib if gpu else None
    if room is not None:
        click.echo(report.fit_text(run, peak, room))
        sys.exit(peak.expected_gib > room)


@click.command()
@click.argument("path", metavar="FILE", type=FILE)
@values_options
@row_options
@sample_options
@click.option("--gpu", metavar="NAME", default="a100-80g", help="Kind of GPU (a100-80g).")
@click.option("--mfu", type=click.FloatRange(0, 1, min_open=True), help="Model FLOPs utilisation, 0 to 1.")
def hours(path: Path, gpu: str, mfu: float | None, chosen: Chosen, sized: Sized, count: Count) -> None:
    """Show optimizer steps, tokens, FLOPs and hours, at a stated utilisation of the GPU's bf16 peak."""
    config = chosen.config(path)
    run, steps = sized(config), steps_of(batch_of(config), count(config), config)
    if steps is None:
        raise UserError("train.dataset: the number of rows is not known; give --samples N or --stats stats.json")
    kind = find_gpu(gpu)
    click.echo(report.hours_text(run, hours_of(run, steps, kind, mfu), kind))
