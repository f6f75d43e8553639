"""Checks ms-swift's arguments: every name must be known to the command, and every value must fit its type."""

# ruff: noqa: ANN401 - a JSON value may be anything

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vlm_sft.suggest import closest

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
            message = _wrong_value(known[name], value)
        elif value is None and name in table["sft"]:
            message = ""  # a null removes an argument of the other backend
        else:
            guess = _MEGATRON_NAMES.get(name) if command == "megatron" else None
            guess = guess or closest(name, known)
            hint = f"; did you mean {place and place + '.'}{guess}?" if guess else ""
            message = f"{PROGRAMS[command]} of ms-swift {table['ms_swift']} has no such argument{hint}"
        if message:
            yield name, message


def _wrong_value(argument: dict[str, list[Any]], value: Any) -> str:
    types, choices = argument["types"], argument.get("choices")
    if value is None or "any" in types:
        return ""  # a null is left out of ms-swift's config
    if choices and value in choices:
        return ""
    free = [name for name in types if name in ("list", "dict")]
    if choices and not any(_fits(name, value) for name in free):
        guess = closest(str(value), [str(choice) for choice in choices])
        listed = ", ".join(json.dumps(choice) for choice in choices[:12]) + (", ..." if len(choices) > 12 else "")
        return f"got {shown(value)}, need one of {listed}" + (f"; did you mean {guess}?" if guess else "")
    if any(_fits(name, value) for name in types):
        return ""
    need = " or ".join(dict.fromkeys(_NAMES[name] for name in types if name != "null"))
    return f"got {shown(value)}, need {need}"


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
