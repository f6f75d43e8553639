"""Values of a Megatron run in the terms of `swift sft`, so that one estimate of memory, steps and hours serves both."""

from collections.abc import Mapping
from typing import Any

from vlm_sft.genvalues.sizing.argument import argument

Values = Mapping[str, Any]


def as_swift(values: Values) -> Values:
    """Return the values with what `megatron sft` would do under the names that `swift sft` has for it."""
    train = values["train"]
    if train.get("backend") != "megatron":
        return values
    given = {name: value for name, value in (train.get("args") or {}).items() if value is not None}
    recomputed = argument(values, "gradient_checkpointing", False)  # the chart turns it into recompute_granularity
    args = {
        "vit_gradient_checkpointing": not argument(values, "freeze_vit", True),
        "padding_free": True,
        **given,
        "gradient_checkpointing": argument(values, "recompute_granularity", "full" if recomputed else "none") == "full",
        "attn_impl": "flash_attn",
        "optim": "sgd" if given.get("optimizer") == "sgd" else "adamw_torch",
    }
    if "train_iters" in given:
        args["max_steps"] = given["train_iters"]
    return {**values, "train": {**train, "args": args}}
