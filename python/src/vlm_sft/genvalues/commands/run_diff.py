"""What differs between two experiments in terms of the run: batch, tokens, memory, arguments, other values."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.experiment import Experiment
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.report import product
from vlm_sft.genvalues.sizing.sized_run import batch_of, run_shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig

# Keys of train whose values are among ms-swift's arguments and environment; without a training they change nothing
_ARGUMENTS = (
    "accelerator args. backend batchSizePerGpu dataset effectiveBatchSize env. gpusPerNode gradientAccumulationSteps "
    "nodes parallel. sharding valDataset"
)
_SHOWN_AS_ARGUMENTS = tuple(f"train.{key}" for key in _ARGUMENTS.split())


def run_diff(before: Experiment, after: Experiment) -> dict[str, list[str]]:
    """Compare two experiments without errors: lines by title, each after `- ` (before) or `+ ` (after).

    The section without a title has the figures of the run, those that are equal after two blanks.
    """
    pair = (before, after)
    configs = [one.config or TrainConfig({}) for one in pair]
    both_train = before.config is not None and after.config is not None
    shown = (*_SHOWN_AS_ARGUMENTS, *(("model.id", "model.revision") if both_train else ()))
    values = [{key: value for key, value in _flat(one.values or {}) if not key.startswith(shown)} for one in pair]
    return {
        "": list(_lines(*(_outline(one.config) if one.config else {} for one in pair), keep=True)),
        "# arguments of swift sft": list(_lines(*(_texts(config.without_folder) for config in configs))),
        "# environment": list(_lines(*(_texts(config.env) for config in configs))),
        "# other values": list(_lines(*map(_texts, values))),
    }


def _outline(config: TrainConfig) -> dict[str, str]:
    """Return the run's figures, without those that cannot be known."""
    batch = batch_of(config)
    lines = {"batch": product(batch)}
    max_length = config.args.get("max_length")
    if isinstance(max_length, int):
        bound = f"at most {batch.effective * max_length:,} tokens per optimizer step"
        lines["tokens"] = f"{bound} = {batch.effective} samples x {max_length} of train.args.max_length"
    try:
        peak = estimate(run_shape(config))
    except UserError as error:
        lines["memory"] = f"peak of each GPU not known: {error.message}"
    else:
        lines["memory"] = f"{peak.expected_gib:.1f} GiB peak of each GPU, {peak.low_gib:.1f} to {peak.high_gib:.1f}"
    return lines


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()}


def _lines(before: Mapping[str, str], after: Mapping[str, str], *, keep: bool = False) -> Iterator[str]:
    """Yield what differs, and with `keep` what does not: in the order of `before`, then what is new."""
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield from (f"{mark} {side[name]}" for mark, side in (("-", before), ("+", after)) if name in side)
        elif keep:
            yield f"  {before[name]}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted key; a list is one value, null and an empty mapping are none."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
