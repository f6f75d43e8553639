"""A warning when the interval of checkpoints or validation is longer than the run. Unit: optimizer steps."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.run_steps import epochs_of, max_steps_of, samples_from_config, split_off, steps_of
from vlm_sft.genvalues.sizing.sized_run import batch_of
from vlm_sft.genvalues.sizing.train_config import TrainConfig

Finding = tuple[tuple[str, ...], str]
SAVE_STEPS = 500.0  # transformers' default


def interval_advice(_values: dict[str, Any], config: TrainConfig) -> Iterator[Finding]:
    """Yield a finding per interval longer than the run; none when the number of steps is unknown."""
    try:
        run = _known_steps(config)
        save, evaluate = (config.argument(name, 0.0) for name in ("save_steps", "eval_steps"))
    except UserError:
        return  # reported as a wrong argument
    if run is None:
        return
    steps, reason = run
    quarter = max(1, steps // 4)
    way_out = f"use {quarter}, or 0.25 for a quarter of any run"
    saves = config.argument("save_strategy", "steps")
    if saves == "steps" and (save or SAVE_STEPS) > steps:
        given = f"{save:g}" if save else f"not set, and the default of {SAVE_STEPS:g}"
        message = (
            f"{given} is more than the {steps} optimizer steps of the run ({reason}): nothing is saved before its "
        )
        yield (
            ("train", "args", "save_steps"),
            f"{message}end, and an interrupted run starts from the beginning; {way_out}",
        )
    validates = "val_dataset" in config.args or config.argument("split_dataset_ratio", 0.0)
    if validates and config.argument("eval_strategy", saves) == "steps" and evaluate > steps:
        message = f"{evaluate:g} is more than the {steps} optimizer steps of the run ({reason}): it is validated at "
        yield ("train", "args", "eval_steps"), f"{message}its end only; {way_out}"


def _known_steps(config: TrainConfig) -> tuple[int, str] | None:
    """Return the steps of the run and where they come from."""
    given = max_steps_of(config)
    if given > 0:
        return given, f"train.args.max_steps: {given}"
    batch, samples = batch_of(config), samples_from_config(config)
    steps = steps_of(batch, samples, config)
    if steps is None or not samples:
        return None
    return (
        steps,
        f"{samples - split_off(samples, config)} samples x {epochs_of(config):g} epochs / {batch.effective} a step",
    )
