"""`vlm-sft train`: parses and prints; `vlm_sft.train.run` does the work."""

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
    help="GPUs on this node; 0 trains on the CPU.",
)
@click.option(
    "--data-marker",
    type=click.Path(path_type=Path),
    help="stats.json of the preparation; training does not start without it.",
)
@click.option(
    "--min-free-gib",
    type=click.FloatRange(min=0),
    default=1,
    show_default=True,
    help="Free space [GiB] needed on the run directory's filesystem.",
)
@click.option("--gated", is_flag=True, help="The model is gated: HF_TOKEN must be set.")
@click.option(
    "--grace-s",
    type=click.FloatRange(min=1),
    default=570,
    show_default=True,
    help="Seconds for the last save after SIGTERM; must be less than terminationGracePeriodSeconds.",
)
@click.option(
    "--rendezvous-s",
    type=click.FloatRange(min=1),
    default=1800,
    show_default=True,
    help="Seconds until all nodes must be connected; covers image pulls and the start of new machines.",
)
@click.option(
    "--then-release", metavar="job/NAME", multiple=True, help="Held Job to release after this run; repeatable."
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
    """Train with CONFIG, ms-swift's own YAML; resume from the newest complete checkpoint in its output_dir.

    Exit codes: 0 finished, 1 failed, 42 wrong config or data (do not retry), 75 stopped on request.
    """
    with StopSignals() as signals:
        needs = Needs(gpus=gpus, data_marker=data_marker, min_free_gib=min_free_gib, gated=gated)
        ended = run_training(
            read_swift_config(config), needs, grace_s, rendezvous_s, lambda line: click.echo(line, err=True), signals
        )
        for job in then_release if ended is Exit.FINISHED else ():
            release_job(job)
        sys.exit(ended)
