"""Writes arguments.json: name, types and choices of every argument of `swift sft`, `swift infer` and `megatron sft`.

    python -m vlm_sft.swift_arguments.make_table        (needs ms-swift; takes 15 s)

The arguments of `swift sft` and `swift infer` come from the installed dataclasses. Importing Megatron's classes needs
megatron-core, so their own fields come from their source, and those shared with `swift sft` from the dataclass.
"""

# ruff: noqa: ANN401 - a type hint may be anything

import ast
import dataclasses
import enum
import importlib.util
import json
import sys
import types
import typing
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

TABLE = Path(__file__).with_name("arguments.json")
Argument: TypeAlias = dict[str, list[Any]]  # {"types": ["float", "null"], "choices": [...]}, choices only where limited

_MEGATRON_SOURCES = {
    "megatron_args": ("RLHFMegatronArgumentsMixin", "MegatronTunerMixin", "MegatronArguments"),
    "megatron_base_args": ("MegatronBaseArguments",),
    "sft_args": ("MegatronSftArguments",),
}
_SIMPLE = {bool: "bool", int: "int", float: "float", str: "str", dict: "dict", list: "list", type(None): "null"}


def main() -> None:
    """Write the table."""
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(json.dumps(build(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"wrote {TABLE}", file=sys.stderr)  # noqa: T201 - run as a command


def build() -> dict[str, Any]:
    """Return the table of the installed release."""
    from swift.arguments import BaseArguments, InferArguments, SftArguments

    return {
        "ms_swift": version("ms-swift"),
        "sft": _fields(SftArguments),
        "infer": _fields(InferArguments),
        "megatron": _fields(BaseArguments) | _megatron_fields(),
    }


def _fields(cls: Any) -> dict[str, Argument]:
    hints = typing.get_type_hints(cls)
    result = {}
    for field in dataclasses.fields(cls):
        if field.init:
            result[field.name] = _argument(hints[field.name])
            if field.metadata.get("choices"):
                result[field.name]["choices"] = sorted(field.metadata["choices"])
    return result


def _megatron_fields() -> dict[str, Argument]:
    spec = importlib.util.find_spec("swift")
    if spec is None or spec.origin is None:
        raise SystemExit("ms-swift is not installed; pip install 'vlm-sft[train]'")
    folder = Path(spec.origin).parent / "megatron" / "arguments"
    result = {}
    for module, classes in _MEGATRON_SOURCES.items():
        tree = ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))
        found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        for name in classes:
            for node in found[name].body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    result[node.target.id] = _argument(_evaluate(node.annotation))
    return result


def _evaluate(annotation: ast.expr) -> Any:
    try:
        return eval(ast.unparse(annotation), {**vars(typing), "typing": typing})  # noqa: S307 - ms-swift's own source
    except NameError:  # a type of another package, such as torch.dtype
        return Any


def _argument(hint: Any) -> Argument:
    found: list[str] = []
    choices: list[Any] = []
    _collect(hint, found, choices)
    argument: Argument = {"types": sorted(set(found))}
    if choices and "any" not in found:
        argument["choices"] = choices
    return argument


def _collect(hint: Any, found: list[str], choices: list[Any]) -> None:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            _collect(part, found, choices)
    elif origin is typing.Literal:
        choices += [value for value in typing.get_args(hint) if value is not None]
        found += [_SIMPLE[type(value)] for value in typing.get_args(hint)]
    elif origin is list:
        found.append("list")
    elif origin is dict:
        found.append("dict")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        choices += [member.value for member in hint]
        found.append("str")
    else:
        found.append(_SIMPLE.get(hint, "any") if isinstance(hint, type) else "any")


if __name__ == "__main__":
    main()
