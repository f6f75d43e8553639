"""Warnings about settings that run and are rarely intended: the learning rate, validation without data."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.genvalues.sizing.train_config import TrainConfig

Finding = tuple[tuple[str, ...], str]

# Learning rates outside these are more often a slip of the exponent than a choice. LoRA: its paper and ms-swift's
# default use 1e-4 to 2e-4; full tuning of models above 1B parameters: published recipes use 5e-6 to 2e-5.
_USUAL_RATES = {"lora": (1e-5, 1e-3), "full": (1e-7, 1e-4)}


def training_advice(values: dict[str, Any], config: TrainConfig) -> Iterator[Finding]:
    """Yield path and message of each unusual setting of a training run."""
    args = values["train"]["args"]
    if not config.argument("use_cpu", False):  # a smoke run on CPUs trains a tiny random model
        yield from _learning_rate(args)
    if "val_dataset" not in config.args:
        yield from _validation(args)


def _learning_rate(args: dict[str, Any]) -> Iterator[Finding]:
    tuner = args.get("tuner_type", "lora")
    try:
        rate = float(args["learning_rate"])
    except (KeyError, TypeError, ValueError):
        return  # not given, or reported as a wrong argument
    if isinstance(tuner, str) and tuner in _USUAL_RATES and rate > 0:
        low, high = _USUAL_RATES[tuner]
        if not low <= rate <= high:
            message = f"{rate:g} is unusual for {'LoRA' if tuner == 'lora' else 'full tuning'}, "
            yield (
                ("train", "args", "learning_rate"),
                message + f"where {low:g} to {high:g} is usual; check the exponent",
            )


def _validation(args: dict[str, Any]) -> Iterator[Finding]:
    if args.get("split_dataset_ratio"):
        return
    for name in ("eval_steps", "eval_strategy", "metric_for_best_model", "load_best_model_at_end"):
        if args.get(name) not in (None, False, "no"):
            yield (
                ("train", "args", name),
                "set, but training has no validation set; name train.valDataset, or remove it",
            )
