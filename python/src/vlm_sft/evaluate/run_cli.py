"""`vlm-sft evaluate run`: parses and prints; `vlm_sft.evaluate.run` does the work."""

import os
from pathlib import Path

import click

from vlm_sft.evaluate.client import connect
from vlm_sft.evaluate.dialogue import Rules, Teacher
from vlm_sft.evaluate.run import Engine, Machine
from vlm_sft.evaluate.run import evaluate as run_evaluation
from vlm_sft.evaluate.tasks import TASKS
from vlm_sft.runs.swift_config import read_swift_config


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="Hub id, folder with weights, adapter, or run directory to evaluate.")
@click.option("--task", type=click.Choice(list(TASKS)), default="text", show_default=True, help="What is scored.")
@click.option("--output-dir", type=click.Path(path_type=Path), required=True, help="Folder for TASK/IDENTITY.")
@click.option(
    "--engine",
    type=click.Choice(["deploy", "vllm", "infer"]),
    default="deploy",
    show_default=True,
    help="What generates: `swift deploy`, vLLM behind it, or `swift infer` without a server.",
)
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs of this pod; 0: the CPU.")
@click.option("--shards", type=click.IntRange(min=1), default=1, show_default=True, help="Pods that share the samples.")
@click.option(
    "--shard", type=click.IntRange(min=0), default=0, envvar="JOB_COMPLETION_INDEX", help="Number of this pod, from 0."
)
@click.option(
    "--teacher", help="fire-free: address of the teacher's OpenAI API; its key is read from VLM_SFT_TEACHER_KEY."
)
@click.option("--teacher-model", default="", help="fire-free: name under which the teacher is served.")
@click.option(
    "--threshold", type=click.IntRange(1, 10), default=8, show_default=True, help="fire-free: satisfying score."
)
@click.option(
    "--max-rounds", type=click.IntRange(min=1), default=5, show_default=True, help="fire-free: answers at most."
)
@click.option(
    "--penalty", type=float, default=2.0, show_default=True, help="fire-free: turns of a failure / max rounds."
)
def run(
    config: Path,
    model: str,
    task: str,
    output_dir: Path,
    engine: Engine,
    gpus: int,
    shards: int,
    shard: int,
    teacher: str | None,
    teacher_model: str,
    threshold: int,
    max_rounds: int,
    penalty: float,
) -> None:
    """Ask MODEL for the answers of CONFIG's val_dataset, and score them.

    CONFIG is ms-swift's own YAML for `swift infer`. Results are in OUTPUT_DIR/TASK/IDENTITY: identity.json,
    predictions.jsonl, scores.jsonl and metrics.json. An interrupted evaluation continues with the missing answers.
    """
    if shard >= shards:
        raise click.UsageError(f"--shard: {shard}, need less than --shards {shards}")
    log = lambda line: click.echo(line, err=True)  # noqa: E731
    machine = Machine(gpus, engine, shard, shards)
    if teacher and not teacher_model:
        raise click.UsageError("--teacher-model: not set, need the name under which the teacher is served")
    judge = None
    if teacher:
        client = connect(teacher, os.environ.get("VLM_SFT_TEACHER_KEY", ""))
        judge = Teacher(client, teacher_model, Rules(threshold, max_rounds, penalty))
    click.echo(run_evaluation(read_swift_config(config), TASKS[task], model, output_dir, machine, log, judge))
