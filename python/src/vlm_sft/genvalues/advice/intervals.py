"""A warning where checkpoints or validation come at an interval that the run never reaches. Unit: optimizer steps."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.rules.chart_rules import has_validation_set
from vlm_sft.genvalues.sizing.argument import argument

Finding = tuple[tuple[str, ...], str]
SAVE_STEPS = 500.0  # transformers' default


def interval_advice(values: dict[str, Any]) -> Iterator[Finding]:
    """Yield a finding per interval above the steps of the run; silent where their number is not known."""
    if not values["train"]["enabled"]:
        return
    try:
        run = _known_steps(values)
        save, evaluate = (argument(values, name, 0.0) for name in ("save_steps", "eval_steps"))
    except UserError:
        return  # told as a wrong argument, or as a batch that does not divide
    if run is None:
        return
    steps, reason = run
    quarter = max(1, steps // 4)
    way_out = f"use {quarter}, or 0.25 for a quarter of any run"
    saves = argument(values, "save_strategy", "steps")
    if saves == "steps" and (save or SAVE_STEPS) > steps:
        given = f"{save:g}" if save else f"not set, and the default of {SAVE_STEPS:g}"
        message = (
            f"{given} is more than the {steps} optimizer steps of the run ({reason}): nothing is saved before its "
        )
        yield ("train", "args", "save_steps"), f"{message}end, and an interrupted run starts anew; {way_out}"
    validates = has_validation_set(values) or argument(values, "split_dataset_ratio", 0.0)
    if validates and argument(values, "eval_strategy", saves) == "steps" and evaluate > steps:
        message = (
            f"{evaluate:g} is more than the {steps} optimizer steps of the run ({reason}): it is validated at its "
        )
        yield ("train", "args", "eval_steps"), f"{message}end only; {way_out}"


def _known_steps(values: dict[str, Any]) -> tuple[int, str] | None:
    """Return the steps of the run and where they come from."""
    from vlm_sft.genvalues.sizing.run_from_values import batch_from_values
    from vlm_sft.genvalues.sizing.run_steps import epochs_of, max_steps_of, steps_of
    from vlm_sft.genvalues.sizing.samples import samples_from_values

    given = max_steps_of(values)
    if given > 0:
        return given, f"train.args.max_steps: {given}"
    batch, samples = batch_from_values(values), samples_from_values(values)
    steps = steps_of(batch, samples, values)
    if steps is None or not samples:
        return None
    return steps, f"{samples} samples x {epochs_of(values):g} epochs / {batch.effective} a step"
