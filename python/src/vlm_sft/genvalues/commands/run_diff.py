"""RunDiff: what differs between two experiments in terms of the run: batch, tokens, memory, arguments, the rest."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.experiment import Experiment
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.report import product
from vlm_sft.genvalues.sizing.sized_run import batch_of, run_shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig

Values = Mapping[str, Any]
# Keys whose values are among ms-swift's arguments and environment; without a training they change nothing
_SHOWN_AS_ARGUMENTS = (
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


def run_diff(before: Experiment, after: Experiment) -> RunDiff:
    """Compare two experiments without errors."""
    pair = (before, after)
    configs = [one.config or TrainConfig({}) for one in pair]
    outlines = [_outline(one.config) if one.config else {} for one in pair]
    names = dict.fromkeys((*outlines[0], *outlines[1]))
    both_train = before.config is not None and after.config is not None
    shown = (*_SHOWN_AS_ARGUMENTS, *(("model.id", "model.revision") if both_train else ()))
    flat = [{key: value for key, value in _flat(one.values or {}) if not key.startswith(shown)} for one in pair]
    return RunDiff(
        tuple(Change(outlines[0].get(name), outlines[1].get(name)) for name in names),
        tuple(_changes(configs[0].without_folder, configs[1].without_folder)),
        tuple(_changes(configs[0].env, configs[1].env)),
        tuple(_changes(*flat)),
    )


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


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what differs: changed and removed in the order of `before`, then what is new."""
    for name in dict.fromkeys((*before, *after)):
        change = Change(
            *(
                f"{name}: {json.dumps(side[name], ensure_ascii=False)}" if name in side else None
                for side in (before, after)
            )
        )
        if change.is_change:
            yield change


def _flat(values: Values, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted key; a list is one value, null and an empty mapping are none."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
