"""One evaluation: data and model -> predictions -> scores, in evaluation/TASK/IDENTITY."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import ConfigError, UserError
from vlm_sft.evaluate import generate, losses, offline
from vlm_sft.evaluate.dialogue import Teacher, dialogues
from vlm_sft.evaluate.identity import identify, name_of
from vlm_sft.evaluate.model import find_model
from vlm_sft.evaluate.predictions import appending, merge, read_all
from vlm_sft.evaluate.result import IDENTITY, METRICS, Result, result_of, text_of, write
from vlm_sft.evaluate.samples import read_samples
from vlm_sft.evaluate.task import Prediction, Sample, Task
from vlm_sft.launch.gpus import need_gpus
from vlm_sft.runs.swift_config import SwiftConfig

Engine = Literal["deploy", "vllm", "infer"]


@dataclass(frozen=True)
class Machine:
    """What this process may use of the whole evaluation."""

    gpus: int  # 0: the CPU
    engine: Engine
    shard: int = 0
    shards: int = 1


def evaluate(config: SwiftConfig, task: Task, model_name: str, output_dir: Path, machine: Machine,
             log: Callable[[str], None], teacher: Teacher | None = None) -> str:  # fmt: skip
    """Predict what is missing, score when everything is there, and return the text to print.

    Raises:
        ConfigError: model, data or task do not fit; another try would fail the same way.
        UserError: GPUs are missing, or the generation failed; the predictions so far are kept.
    """
    _check_teacher(task, teacher, machine.engine)
    args = {"max_new_tokens": task.max_new_tokens, "temperature": 0, **config.args}
    model = find_model(model_name, str(config.args.get("model") or ""), str(config.args.get("model_revision") or ""))
    samples = read_samples(config.texts("val_dataset"), task.asked)
    if len(samples) < machine.shards:
        way_out = f"set evaluate.shards to {len(samples)} or less"
        raise ConfigError(f"evaluate.shards: {machine.shards} pods for {len(samples)} samples; {way_out}")
    _check_references(task, samples)
    identity = identify(task, samples, model, config, machine.engine, teacher.identity() if teacher else {})
    folder = output_dir / task.name / name_of(identity)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / IDENTITY) as file:
        file.write(json.dumps(identity, indent=2, default=str).encode() + b"\n")
    log(f"{folder}: {len(samples):,} samples")
    found = read_all(folder)
    mine = samples[machine.shard :: machine.shards]
    missing = [sample for sample in mine if sample.id not in found or found[sample.id].error]
    if found and missing:
        log(f"{len(samples) - len(missing):,} samples are predicted already; continuing with {len(missing):,}")
    begin = time.monotonic()
    if missing:
        need_gpus(machine.gpus)
        _predict(config, {**args, **model.args}, missing, task, folder, machine, teacher, log)
    predictions = merge(folder, samples)
    if predictions is None:
        return f"{task.name}: this pod is finished; others still generate, the last one scores"
    return _scored(task, predictions, folder, {"identity": identity, "seconds": round(time.monotonic() - begin, 1)})


def _check_teacher(task: Task, teacher: Teacher | None, engine: Engine) -> None:
    """Refuse a dialogue without a teacher or server, and a teacher without a dialogue."""
    if task.asked != "dialogue":
        if teacher:
            raise ConfigError(f"--teacher: set, but task {task.name} needs none; remove it, or use --task fire-free")
        return
    if not teacher:
        need = "need the address of a teacher, such as http://HOST:8000/v1"
        raise ConfigError(f"--teacher: not set, but task {task.name} is a dialogue, {need}")
    if engine == "infer":
        raise ConfigError(f"--engine: got infer, but task {task.name} needs a server for each turn; use deploy or vllm")


def _check_references(task: Task, samples: Sequence[Sample]) -> None:
    """Score every reference against itself before a GPU is used: the data must have what the task needs."""
    if task.asked == "none":
        return
    probes = [Prediction(s.id, s.group, str(s.messages[-1]["content"]), s.reference, s.reference) for s in samples]
    task.score(probes)


def _predict(config: SwiftConfig, args: dict[str, Any], missing: Sequence[Sample], task: Task, folder: Path,
             machine: Machine, teacher: Teacher | None, log: Callable[[str], None]) -> None:  # fmt: skip
    env, gpus, part = dict(config.env), machine.gpus, f"{machine.shard}-of-{machine.shards}"
    with appending(folder, machine.shard, machine.shards) as append:
        if task.asked == "none":
            losses.losses(missing, args, env, gpus, folder, part, append, log)
        elif machine.engine == "infer":
            offline.infer(missing, args, env, folder, part, append, log)
        else:
            predict = dialogues(teacher, generate.decoding(args)) if teacher else None
            generate.generate(missing, args, env, gpus, machine.engine, append, log, predict)


def _scored(task: Task, predictions: Sequence[Prediction], folder: Path, facts: dict[str, Any]) -> str:
    """Score, write and return the text; too many failed rows are an error, so that the Job tries again."""
    scores = task.score(predictions)
    result = result_of(task, predictions, scores)
    first = predictions[0]
    tokens = sum(prediction.new_tokens or 0 for prediction in predictions)
    seen = {"question": first.question, "response": first.response, "reference": first.reference}
    write(folder, result, scores, {**facts, "new_tokens": tokens, "first": seen})
    return checked_text(result, folder / METRICS)


def checked_text(result: Result, path: Path) -> str:
    """Return the text of a result.

    Raises:
        UserError: so many rows failed that there is no figure.
    """
    if not result.has_headline:
        raise UserError(text_of(result))
    return f"{text_of(result)}\n{path}"
