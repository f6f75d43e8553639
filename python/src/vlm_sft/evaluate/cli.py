"""`vlm-sft evaluate`: parses and prints; the evaluation itself is in `vlm_sft.evaluate.run`."""

from pathlib import Path

import click

from vlm_sft.evaluate.run import evaluate as run_evaluation
from vlm_sft.runs.swift_config import read_swift_config


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), required=True, help="Run directory of a finished training.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs that this pod asked for.")
@click.option("--force", is_flag=True, help="Do it again although it is finished.")
def evaluate(config: Path, run_dir: Path, gpus: int, force: bool) -> None:
    """Answer the rows of CONFIG's val_dataset with the trained model, and score the answers.

    CONFIG is ms-swift's own YAML for `swift infer`; the checkpoint comes from the run's report. Answers go to
    evaluation/predictions.jsonl in the run directory, scores to evaluation/scores.json.
    """
    say = lambda line: click.echo(line, err=True)  # noqa: E731
    click.echo(run_evaluation(read_swift_config(config), run_dir, gpus, say, force=force))
