"""`vlm-sft evaluate`: parses and prints; `vlm_sft.evaluate.run` does the work."""

from pathlib import Path

import click

from vlm_sft.evaluate.run import evaluate as run_evaluation
from vlm_sft.runs.swift_config import read_swift_config


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), required=True, help="Run directory of a finished training.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs of this pod; 0: the CPU.")
@click.option("--force", is_flag=True, help="Repeat a finished evaluation.")
def evaluate(config: Path, run_dir: Path, gpus: int, force: bool) -> None:
    """Answer the rows of CONFIG's val_dataset with the trained model, and score the answers.

    CONFIG is ms-swift's own YAML for `swift infer`; the run's report names the checkpoint. Answers are written to
    evaluation/predictions.jsonl in the run directory, scores to evaluation/scores.json.
    """
    log = lambda line: click.echo(line, err=True)  # noqa: E731
    click.echo(run_evaluation(read_swift_config(config), run_dir, gpus, log, force=force))
