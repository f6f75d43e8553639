"""`vlm-sft evaluate score`: parses and prints."""

from pathlib import Path
from typing import Any

import click

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.rescore import prediction_file, read_predictions, task_of
from vlm_sft.evaluate.result import IDENTITY, METRICS, read_json, result_of, text_of, write
from vlm_sft.evaluate.run import checked_text
from vlm_sft.evaluate.tasks import TASKS


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice(list(TASKS)), help="What is scored. Default: the task of the evaluation.")
def score(predictions: Path, task: str | None) -> None:
    """Score PREDICTIONS: the folder of an evaluation, its predictions.jsonl, or a result file of `swift infer`.

    No GPU is needed. In the folder of an evaluation of the same task, scores.jsonl and metrics.json are replaced.
    """
    path = prediction_file(predictions)
    own = task_of(path)
    name = task or own
    if name not in TASKS:
        raise ConfigError(f"--task: not set, and no {IDENTITY} beside {path} names one; need one of {', '.join(TASKS)}")
    read = read_predictions(path)
    scores = TASKS[name].score(read)
    result = result_of(TASKS[name], read, scores)
    if own == name:
        former = path.parent / METRICS
        facts = read_json(former) if former.is_file() else {}
        identity = {**read_json(path.parent / IDENTITY), "version": TASKS[name].version}
        kept: dict[str, Any] = {key: facts[key] for key in ("seconds", "new_tokens", "first") if key in facts}
        write(path.parent, result, scores, {"identity": identity, **kept})
        click.echo(checked_text(result, former))
    elif result.has_headline:
        click.echo(text_of(result))
    else:
        checked_text(result, path)
