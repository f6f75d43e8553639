"""Writes arguments.json: name, types and choices of every argument of `swift sft`, `swift infer` and `megatron sft`.

    python -m vlm_sft.swift_arguments.make_table        (needs ms-swift; takes 15 s)

The arguments of `swift sft` and `swift infer` come from the installed dataclasses. Importing Megatron's classes needs
megatron-core, so their own fields come from their source, and those shared with `swift sft` from the dataclass.
Where a field is declared as text, its choices come from the registry in which ms-swift or transformers looks it up.
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
Argument: TypeAlias = dict[str, list[Any]]  # {"types": ["str", "null"], "choices": [...]}, choices only where limited

_MEGATRON_SOURCES = {
    "megatron_args": ("RLHFMegatronArgumentsMixin", "MegatronTunerMixin", "MegatronArguments"),
    "megatron_base_args": ("MegatronBaseArguments",),
    "sft_args": ("MegatronSftArguments",),
}
_SIMPLE = {bool: "bool", int: "int", float: "float", str: "str", dict: "dict", list: "list", type(None): "null"}


def main() -> None:
    """Write the table."""
    TABLE.write_text(_text(build()), encoding="utf-8")
    print(f"wrote {TABLE}", file=sys.stderr)  # noqa: T201 - run as a command


def build() -> dict[str, Any]:
    """Return the table of the installed release."""
    from swift.arguments import BaseArguments, InferArguments, SftArguments

    return {
        "ms_swift": version("ms-swift"),
        "sft": _fields(SftArguments),
        "infer": _fields(InferArguments),
        "megatron": _fields(BaseArguments) | _megatron_fields(),
        **_registries(),
    }


def _text(table: dict[str, Any]) -> str:
    """Return the table as JSON with one argument a line."""
    parts = []
    for key, value in table.items():
        rows = (
            [f"  {json.dumps(name)}: {json.dumps(value[name], sort_keys=True)}" for name in sorted(value)]
            if (isinstance(value, dict))
            else []
        )
        parts.append(f" {json.dumps(key)}: " + ("{\n" + ",\n".join(rows) + "\n }" if rows else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _registries() -> dict[str, dict[str, list[str]]]:
    """Return the choices of arguments that are declared as text: `closed`, and `open` to what plug-ins register."""
    from swift.agent_template import agent_template_map
    from swift.arguments.base_args.base_args import get_supported_tuners
    from swift.callbacks import callbacks_map
    from swift.loss import loss_map
    from swift.loss_scale.mapping import ALL_BASE_STRATEGY, loss_scale_map
    from swift.metrics import eval_metrics_map
    from swift.model import MODEL_MAPPING
    from swift.optimizers import optimizers_map
    from swift.template import TEMPLATE_MAPPING
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
    from transformers.trainer_utils import IntervalStrategy, SchedulerType

    attention = [name for name in ALL_ATTENTION_FUNCTIONS.valid_keys() if "|" not in name]  # paged|...: for serving
    return {
        "closed": {
            "attn_impl": sorted(["flash_attn", "eager", *attention]),  # ms-swift turns flash_attn into a version
            "experts_impl": sorted(["eager", *ALL_EXPERTS_FUNCTIONS.valid_keys()]),
            "eval_strategy": [strategy.value for strategy in IntervalStrategy],
            "lr_scheduler_type": [scheduler.value for scheduler in SchedulerType],
            "report_to": ["all", "none", *sorted(INTEGRATION_TO_CALLBACK)],
        },
        "open": {
            "agent_template": sorted(agent_template_map),
            "callbacks": sorted(callbacks_map),
            "eval_metric": sorted(eval_metrics_map),
            "loss_scale": [*sorted(ALL_BASE_STRATEGY), *sorted(loss_scale_map)],
            "loss_type": sorted(loss_map),
            "model_type": sorted(MODEL_MAPPING),
            "optimizer": sorted(optimizers_map),
            "template": sorted(TEMPLATE_MAPPING),
            "tuner_type": sorted(get_supported_tuners()),
        },
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
    argument: Argument = {"types": sorted({*found, *(_SIMPLE[type(choice)] for choice in choices)})}
    if choices and "any" not in found and not ("str" in found and _has_literal(hint)):
        argument["choices"] = choices
    return argument


def _has_literal(hint: Any) -> bool:
    """Return whether a Literal limits the hint: a str beside it takes any text, but beside an enum only its values."""
    return any(typing.get_origin(part) is typing.Literal for part in (hint, *typing.get_args(hint)))


def _collect(hint: Any, found: list[str], choices: list[Any]) -> None:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            _collect(part, found, choices)
    elif origin is typing.Literal:
        choices += [value for value in typing.get_args(hint) if value is not None]
        found += ["null" for value in typing.get_args(hint) if value is None]
    elif origin is list:
        found.append("list")
    elif origin is dict:
        found.append("dict")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        choices += [member.value for member in hint]
    else:
        found.append(_SIMPLE.get(hint, "any") if isinstance(hint, type) else "any")


if __name__ == "__main__":
    main()
