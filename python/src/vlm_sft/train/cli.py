"""`vlm-sft train`: parses and prints; the run itself is in `vlm_sft.train.run`."""

import sys
from pathlib import Path

import click

from vlm_sft.cluster.release import release_job
from vlm_sft.runs.swift_config import read_swift_config
from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.preflight import Needs
from vlm_sft.train.run import Exit
from vlm_sft.train.run import train as run_training


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--gpus",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="GPUs that this node was asked for; 0 trains on the CPU.",
)
@click.option(
    "--data-marker",
    type=click.Path(path_type=Path),
    help="stats.json of the preparation; training refuses to start without it.",
)
@click.option(
    "--min-free-gib",
    type=click.FloatRange(min=0),
    default=1,
    show_default=True,
    help="Free space [GiB] that the run directory's filesystem must have.",
)
@click.option("--gated", is_flag=True, help="The model is gated: HF_TOKEN must be set.")
@click.option(
    "--grace-s",
    type=click.FloatRange(min=1),
    default=570,
    show_default=True,
    help="Seconds for the last save after SIGTERM; keep it below terminationGracePeriodSeconds.",
)
@click.option(
    "--rendezvous-s",
    type=click.FloatRange(min=1),
    default=1800,
    show_default=True,
    help="Seconds until all nodes must be there: images are pulled and machines added at different speeds.",
)
@click.option(
    "--then-release", metavar="job/NAME", multiple=True, help="Held Job to start when this run is finished; repeatable."
)
def train(
    config: Path,
    gpus: int,
    data_marker: Path | None,
    min_free_gib: float,
    gated: bool,
    grace_s: float,
    rendezvous_s: float,
    then_release: tuple[str, ...],
) -> None:
    """Train with ms-swift's own CONFIG (YAML), resumed from the newest complete checkpoint in its output_dir.

    Exit codes: 0 finished, 1 failed, 42 the config or the data is wrong (do not retry), 75 stopped on request.
    """
    with StopSignals() as signals:
        needs = Needs(gpus=gpus, data_marker=data_marker, min_free_gib=min_free_gib, gated=gated)
        ended = run_training(
            read_swift_config(config), needs, grace_s, rendezvous_s, lambda line: click.echo(line, err=True), signals
        )
        for job in then_release if ended is Exit.FINISHED else ():
            release_job(job)
        sys.exit(ended)
