"""RunDiff: what differs between two experiments in terms of the run: batch, tokens, memory, arguments, the rest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.backend_arguments import accumulation
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.report import product
from vlm_sft.genvalues.sizing.run_from_values import batch_from_values, run_from_values
from vlm_sft.genvalues.sizing.train_config import TrainConfig, train_config
from vlm_sft.genvalues.values.go_json import go_json

Values = Mapping[str, Any]
# Keys that ms-swift's arguments and environment say already; where nothing is trained they say nothing.
_TOLD_BY_ARGUMENTS = (
    "train.accelerator",
    "train.args.",
    "train.backend",
    "train.batchSizePerGpu",
    "train.dataset",
    "train.effectiveBatchSize",
    "train.env.",
    "train.gpusPerNode",
    "train.gradientAccumulationSteps",
    "train.nodes",
    "train.parallel.",
    "train.sharding",
    "train.valDataset",
)


@dataclass(frozen=True)
class Change:
    """One thing before and after, as text; None where it does not exist."""

    before: str | None
    after: str | None

    @property
    def is_change(self) -> bool:
        """Whether there is a difference."""
        return self.before != self.after


@dataclass(frozen=True)
class RunDiff:
    """`outline` has the figures of the run, changed or not; the other three only what changed."""

    outline: tuple[Change, ...]
    arguments: tuple[Change, ...]
    environment: tuple[Change, ...]
    values: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        """Whether both files make the same run."""
        return not (self.arguments or self.environment or self.values)


def run_diff(before: Values, after: Values) -> RunDiff:
    """Compare two experiments, given as merged values that have passed the schema and the chart's rules."""
    configs = [_config(values) for values in (before, after)]
    outlines = [_outline(values) for values in (before, after)]
    names = dict.fromkeys((*outlines[0], *outlines[1]))
    both_train = before["train"]["enabled"] and after["train"]["enabled"]
    told = (*_TOLD_BY_ARGUMENTS, *(("model.id", "model.revision") if both_train else ()))
    flat = [{key: value for key, value in _flat(values) if not key.startswith(told)} for values in (before, after)]
    return RunDiff(
        tuple(Change(outlines[0].get(name), outlines[1].get(name)) for name in names),
        tuple(_changes(configs[0].args, configs[1].args)),
        tuple(_changes(configs[0].env, configs[1].env)),
        tuple(_changes(*flat)),
    )


def _config(values: Values) -> TrainConfig:
    return train_config(values) if values["train"]["enabled"] else TrainConfig({}, {})


def _outline(values: Values) -> dict[str, str]:
    """Return the run's figures; without those that cannot be known, and empty where nothing is trained."""
    if not values["train"]["enabled"]:
        return {}
    batch = replace(batch_from_values(values), accumulation=accumulation(values["train"]))
    lines = {"batch": product(batch)}
    max_length = values["train"]["args"].get("max_length")
    if isinstance(max_length, int):
        bound = f"at most {batch.effective * max_length:,} tokens per optimizer step"
        lines["tokens"] = f"{bound} = {batch.effective} samples x {max_length} of train.args.max_length"
    try:
        peak = estimate(run_from_values(values))
    except UserError as error:
        lines["memory"] = f"peak of each GPU not known: {error.message}"
    else:
        lines["memory"] = f"{peak.expected_gib:.1f} GiB peak of each GPU, {peak.low_gib:.1f} to {peak.high_gib:.1f}"
    return lines


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what differs: changed and removed in the order of `before`, then what is new."""
    for name in dict.fromkeys((*before, *after)):
        change = Change(*(f"{name}: {go_json(side[name])}" if name in side else None for side in (before, after)))
        if change.is_change:
            yield change


def _flat(values: Values, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted key; a list is one value, null and an empty mapping are none."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
