"""`vlm-sft train`: parses and prints; `vlm_sft.train.run` does the work."""

import sys
from pathlib import Path

import click

from vlm_sft.cluster.release import release_job
from vlm_sft.evaluate.tasks import TASKS
from vlm_sft.runs.swift_config import read_swift_config
from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.curve import CURVE_TASKS, Curve
from vlm_sft.train.preflight import Needs
from vlm_sft.train.recording import LogBatches, Recording
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
    "--keep-best", is_flag=True, help="Link the checkpoint with the best validation as `best` in the run directory."
)
@click.option(
    "--log-batches",
    type=click.Choice(["none", "first-last", "all"]),
    default="none",
    show_default=True,
    help="Batches of rank 0 whose shape is logged: the first and last of each epoch, or all.",
)
@click.option(
    "--links",
    type=click.Path(path_type=Path),
    help="Folder for links to the run directory: by date, release and hash, and the latest of the release.",
)
@click.option(
    "--curve-task", type=click.Choice(CURVE_TASKS), help="Task that scores the model's answers during training."
)
@click.option(
    "--curve-steps", type=click.IntRange(min=1), default=1000, show_default=True, help="Steps between points."
)
@click.option(
    "--curve-samples",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Samples of val_dataset per point.",
)
@click.option("--curve-tokens", type=click.IntRange(min=1), help="Limit of an answer [tokens]; default: the task's.")
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
    keep_best: bool,
    log_batches: LogBatches,
    links: Path | None,
    curve_task: str | None,
    curve_steps: int,
    curve_samples: int,
    curve_tokens: int | None,
    then_release: tuple[str, ...],
) -> None:
    """Train with CONFIG, ms-swift's own YAML; resume from the newest complete checkpoint in its output_dir.

    Exit codes: 0 finished, 1 failed, 42 wrong config or data (do not retry), 75 stopped on request.
    """
    with StopSignals() as signals:
        needs = Needs(gpus=gpus, data_marker=data_marker, min_free_gib=min_free_gib, gated=gated)
        found = read_swift_config(config)
        curve = None
        if curve_task:
            tokens = curve_tokens or TASKS[curve_task].max_new_tokens
            curve = Curve(curve_task, curve_steps, curve_samples, tokens, tuple(found.texts("val_dataset")))
        recording = Recording(keep_best=keep_best, log_batches=log_batches, links=links, curve=curve)
        ended = run_training(
            found,
            needs,
            recording,
            grace_s,
            rendezvous_s,
            lambda line: click.echo(line, err=True),
            signals,
        )
        for job in then_release if ended is Exit.FINISHED else ():
            release_job(job)
        sys.exit(ended)
