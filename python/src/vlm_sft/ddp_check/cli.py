"""`vlm-sft ddp-check`: parses and prints; `vlm_sft.ddp_check.run` does the work."""

import click

from vlm_sft.ddp_check.run import check, group_from_environment
from vlm_sft.ddp_check.synthetic import Synthetic


@click.command()
@click.option("--gpus", type=click.IntRange(min=0), default=0, help="GPUs of this node, one process each, with NCCL.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="CPU processes of this node, with gloo; used when --gpus is 0.",
)
@click.option(
    "--timeout-s",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds for each phase: device, rendezvous, all-reduce, DDP, each epoch.",
)
@click.option("--samples", type=int, default=4096, show_default=True, help="Generated samples.")
@click.option("--features", type=int, default=128, show_default=True, help="Columns of a sample.")
@click.option("--classes", type=int, default=4, show_default=True, help="Classes to tell from each other.")
@click.option("--epochs", type=int, default=2, show_default=True, help="Passes over the samples.")
@click.option("--batch", type=int, default=256, show_default=True, help="Samples per process in one step.")
@click.option("--learning-rate", type=float, default=3e-3, show_default=True, help="Learning rate of Adam.")
@click.option("--seed", type=int, default=42, show_default=True, help="Seed of samples, weights and order.")
def ddp_check(gpus: int, processes: int, timeout_s: float, **options: int | float) -> None:
    """Train a tiny model with DDP, to distinguish a broken network or NCCL from a broken training script.

    Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT, as for training. Exit codes: 0 all phases passed,
    1 a phase failed; the message names the phase and the likely cause. 42 the options make no training.
    """
    group = group_from_environment(gpus or processes, "nccl" if gpus else "gloo")
    found = check(group, Synthetic(**options), timeout_s, lambda line: click.echo(line, err=True))  # type: ignore[arg-type]
    if found is not None:
        click.echo(found)
