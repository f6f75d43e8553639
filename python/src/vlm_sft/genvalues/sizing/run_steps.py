"""Optimizer steps of the run that merged values describe, where the rows or max_steps are known."""

from collections.abc import Mapping
from typing import Any

from vlm_sft.genvalues.sizing.argument import argument
from vlm_sft.genvalues.sizing.batch import Batch, Steps, megatron_steps, steps

EPOCHS = 3.0  # ms-swift's default


def epochs_of(values: Mapping[str, Any]) -> float:
    """Return how often the rows are seen."""
    return float(argument(values, "num_train_epochs", EPOCHS)) or EPOCHS


def max_steps_of(values: Mapping[str, Any]) -> int:
    """Return train.args.max_steps, or Megatron's train_iters; -1 where the epochs decide."""
    if values["train"].get("backend") != "megatron":
        return int(argument(values, "max_steps", -1))
    return -1 if argument(values, "num_train_epochs", 0) else int(argument(values, "train_iters", -1))


def counted_steps(batch: Batch, samples: int, values: Mapping[str, Any]) -> Steps:
    """Return the steps of an epoch and of the run."""
    if values["train"].get("backend") == "megatron":
        return megatron_steps(samples, batch, epochs_of(values), max_steps_of(values))
    drops = bool(argument(values, "dataloader_drop_last", False))
    return steps(samples, batch, epochs_of(values), max_steps_of(values), drops)


def steps_of(batch: Batch, samples: int | None, values: Mapping[str, Any]) -> int | None:
    """Return the optimizer steps of the whole run, None when neither max_steps nor the samples are known."""
    if samples is not None:
        return counted_steps(batch, samples, values).total
    given = max_steps_of(values)
    return given if given > 0 else None
