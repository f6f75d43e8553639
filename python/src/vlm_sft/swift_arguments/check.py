"""Checks ms-swift's arguments: every name must be known to the command, and every value must fit its type."""

# ruff: noqa: ANN401 - a JSON value may be anything

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vlm_sft.suggest import CURLY, closest, without_curly_quotes
from vlm_sft.swift_arguments.ranges import RANGES

Command: TypeAlias = Literal["sft", "infer", "megatron"]
_TABLE = Path(__file__).with_name("arguments.json")
_NAMES = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "dict": "a mapping",
}
PROGRAMS: dict[Command, str] = {"sft": "swift sft", "infer": "swift infer", "megatron": "megatron sft"}
# `swift sft` -> `megatron sft`: names of the same argument that are too different for `closest`
_MEGATRON_NAMES = {
    "learning_rate": "lr",
    "lr_scheduler_type": "lr_decay_style",
    "warmup_ratio": "lr_warmup_fraction",
    "warmup_steps": "lr_warmup_iters",
    "max_steps": "train_iters",
    "max_grad_norm": "clip_grad",
    "adam_epsilon": "adam_eps",
    "optim": "optimizer",
    "save_only_model": "no_save_optim",
}
# names in older releases, in transformers 4 and in other trainers' configs -> `swift sft`
_OLD_NAMES = {
    **dict.fromkeys(("train_type", "sft_type", "finetuning_type"), "tuner_type"),
    **dict.fromkeys(("model_id_or_path", "model_name_or_path"), "model"),
    **dict.fromkeys(("lora_target", "lora_target_modules"), "target_modules"),
    **dict.fromkeys(("cutoff_len", "max_seq_length", "max_seq_len"), "max_length"),
    "attn_implementation": "attn_impl",
    "dataset_test_ratio": "split_dataset_ratio",
    "dtype": "torch_dtype",
    "epochs": "num_train_epochs",
    "evaluation_strategy": "eval_strategy",
    "freeze_vision_tower": "freeze_vit",
    "lr": "learning_rate",
    "metric": "eval_metric",
    "quantization_bit": "quant_bits",
}
_OTHER_IN_MEGATRON = ("callbacks", "loss_type", "report_to")  # arguments with choices of their own there
_HUB_KERNELS = ("attn_impl", "experts_impl")  # a name with a slash is a kernel on the hub
# words among names of modules, which ms-swift replaces
_WORDS = {
    "target_modules": ("all-linear", "all-embedding"),
    "modules_to_save": ("all-embedding", "all-norm"),
}
_NEAR_WORD = 0.85  # difflib ratio: `alllinear` and `all-linear` have 1, the module `linear` 0.8
_NUMBERS = {"int": int, "float": float}  # how argparse reads them
_MAX_SHOWN = 60  # characters of a wrong value


@cache
def swift_arguments() -> dict[str, Any]:
    """Return the table that make_table.py writes: `ms_swift` (release), and the arguments of each command."""
    table: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


def check_arguments(args: Mapping[str, Any], command: Command, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (argument, message) for each argument that `command` does not have, or whose value it does not take.

    Args:
        args: names to plain values, as JSON or YAML gives them.
        command: the command of ms-swift that gets them.
        place: the key that holds the arguments in a values file, such as train.args.
    """
    table = swift_arguments()
    known = table[command]
    if command == "megatron":  # the chart translates it to recompute_granularity
        known = known | {"gradient_checkpointing": table["sft"]["gradient_checkpointing"]}
    for name, value in args.items():
        if name in known:
            message = _wrong_value(name, value, known[name]["types"], _choices(name, command, args))
        elif value is None and name in table["sft"]:
            message = ""  # a null removes an argument of the other backend
        else:
            guess = _meant(name, known, command)
            hint = f"; did you mean {place and place + '.'}{guess}?" if guess else ""
            message = f"{PROGRAMS[command]} of ms-swift {table['ms_swift']} has no such argument{hint}"
        if message:
            yield name, message


def _meant(name: str, known: Mapping[str, Any], command: Command) -> str | None:
    """Return the argument that an unknown name probably stands for."""
    guess = _OLD_NAMES.get(name, name)
    guess = _MEGATRON_NAMES.get(guess, guess) if command == "megatron" else guess
    return guess if guess in known else closest(name, known)


def _choices(name: str, command: Command, args: Mapping[str, Any]) -> list[Any]:
    """Return the values that an argument can have, empty where any can; a plug-in may register more."""
    table = swift_arguments()
    if own := table[command][name].get("choices") if name in table[command] else None:
        return list(own)
    if command == "megatron" and name in _OTHER_IN_MEGATRON:
        return []
    has_plugins = any(args.get(plugins) for plugins in ("external_plugins", "custom_register_path"))
    return list(table["closed"].get(name) or ([] if has_plugins else table["open"].get(name, [])))


def _wrong_value(name: str, value: Any, types: list[str], choices: list[Any]) -> str:
    if value is None or "any" in types:
        return ""  # a null is left out of ms-swift's config
    words = _WORDS.get(name, ())
    if choices or words:
        items = value if isinstance(value, list) and "list" in types else [value]
        return next((message for item in items if (message := _wrong_item(name, item, types, choices, words))), "")
    if not any(_fits(type_name, value) for type_name in types):
        need = " or ".join(dict.fromkeys(_NAMES[type_name] for type_name in types if type_name != "null"))
        inner = without_curly_quotes(value)
        is_quoted = inner is not None and any(_fits(type_name, inner) for type_name in types)
        return f"got {shown(value)}, need {need}" + (CURLY if is_quoted else "")
    limits = RANGES.get(name)
    if limits and {"int", "float"} & {*types} and not limits.has(float(value)):
        return f"got {shown(value)}, need a number {limits.text}" + (f"; {limits.hint}" if limits.hint else "")
    return ""


def _wrong_item(name: str, item: Any, types: list[str], choices: list[Any], words: tuple[str, ...]) -> str:
    """Return what is wrong with a value that has choices, or with one item of a list; `words` are among other names."""
    if name == "loss_scale" and choices:  # names joined by +
        item = next((part for part in str(item).split("+") if part not in choices), choices[0])
    if item in choices or item in words or (name in _HUB_KERNELS and "/" in str(item)):
        return ""
    parts = re.split(r"[,\s]+", item.strip()) if isinstance(item, str) and "list" in types else []
    if len(parts) > 1:
        return f"got {shown(item)}, one name; write a list: [{', '.join(parts)}]"
    inner = without_curly_quotes(item)
    guess = closest(str(item), map(str, choices)) if choices else closest(str(inner or item), words, _NEAR_WORD)
    hint = f"; did you mean {guess}?" if guess else ""
    if inner is not None:
        hint = CURLY
    if item is False and "no" in choices:
        hint = '; YAML reads no as false: write "no"'
    if not choices:
        return f"got {shown(item)}, need names of modules, or {', '.join(words)}{hint}" if hint else ""
    listed = ", ".join(json.dumps(choice) for choice in choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"got {shown(item)}, need one of {listed}{hint}"


def _fits(type_name: str, value: Any) -> bool:
    """Return whether ms-swift's command line can read the value, which is text there."""
    if isinstance(value, dict):
        return type_name == "dict"
    if isinstance(value, list):
        return type_name == "list"
    if type_name in ("str", "list"):
        return True
    if type_name == "dict":
        return isinstance(value, str) and value.lstrip().startswith("{")
    if type_name == "bool":
        return isinstance(value, bool) or str(value).lower() in ("true", "false")
    if isinstance(value, bool) or type_name not in _NUMBERS:
        return False
    if not isinstance(value, str):
        return isinstance(value, int) or type_name == "float" or value.is_integer()
    try:
        _NUMBERS[type_name](value)
    except ValueError:
        return False
    return True


def shown(value: Any) -> str:
    """Return a value and its type: `"two" (string)`."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
    kind = {bool: "boolean", str: "string", int: "integer"}.get(type(value), "number")
    return f"{text} ({kind})"
