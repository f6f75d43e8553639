"""Whether an upgrade from one experiment to another continues its run: what chart and trainer do, in one line."""

import json
from collections.abc import Mapping
from typing import Any

from vlm_sft.genvalues.experiment import Experiment
from vlm_sft.genvalues.sizing.sized_run import batch_of
from vlm_sft.genvalues.sizing.train_config import TrainConfig
from vlm_sft.swift_arguments.division import tied_to_passes, tied_to_processes

# What run.yaml calls otherwise than the chart; every other argument is below train.args
_KEYS = {
    "model": "model.id",
    "model_revision": "model.revision",
    "dataset": "train.dataset",
    "val_dataset": "train.valDataset",
    "effective_batch_size": "train.effectiveBatchSize",
    "global_batch_size": "train.effectiveBatchSize",
    "micro_batch_size": "train.batchSizePerGpu",
    "deepspeed": "train.sharding",
    "fsdp": "train.sharding",
    "use_cpu": "train.accelerator",
    "sequence_parallel_size": "train.parallel.sequence",
    "tensor_model_parallel_size": "train.parallel.tensor",
    "pipeline_model_parallel_size": "train.parallel.pipeline",
    "expert_model_parallel_size": "train.parallel.expert",
    "context_parallel_size": "train.parallel.context",
}
# Keys of the preparation that leave the rows as they are
_SAME_ROWS = ("backoffLimit", "commands", "downloadImages", "maxDropShare", "resources", "shards", "verify")


def run_change(before: Experiment, after: Experiment) -> str | None:
    """Return what an upgrade from `before` to `after` does to the run; None where one of them trains nothing."""
    if not (before.config and after.config):
        return None
    one, other = _identity(before.config), _identity(after.config)
    changed = [key for key in dict.fromkeys((*one, *other)) if one.get(key) != other.get(key)]
    if changed:
        reasons = (f"{key}: {one.get(key, 'not set')} -> {other.get(key, 'not set')}" for key in changed)
        return f"starts a new run, because {', '.join(reasons)}"
    if refusal := _refusal(before.config, after.config):
        return f"is refused once there is a checkpoint: {refusal}"
    rows = _prepared_otherwise(before.values or {}, after.values or {})
    return "continues the same run" + (f", unless the rows change by {', '.join(rows)}" if rows else "")


def _identity(config: TrainConfig) -> dict[str, str]:
    found = config.identity or config
    named = {_KEYS.get(name, f"train.args.{name}"): value for name, value in found.args.items()}
    named |= {f"train.env.{name}": value for name, value in found.env.items()}
    return {key: json.dumps(value, ensure_ascii=False) for key, value in named.items()}


def _refusal(before: TrainConfig, after: TrainConfig) -> str | None:
    one, other = batch_of(before), batch_of(after)
    processes, now = one.ranks * one.gpus_per_rank, other.ranks * other.gpus_per_rank
    if processes != now and (tied := tied_to_processes(after.args)):
        return f"{processes} -> {now} GPUs, but with {tied} only the same number can continue"
    if one.per_gpu != other.per_gpu and (tied := tied_to_passes(after.args)):
        return f"train.batchSizePerGpu: {one.per_gpu} -> {other.per_gpu}, but with {tied} another one changes the loss"
    return None


def _prepared_otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    one, other = before.get("prepare", {}), after.get("prepare", {})
    return [f"prepare.{key}" for key in one if key not in _SAME_ROWS and one[key] != other.get(key)]
