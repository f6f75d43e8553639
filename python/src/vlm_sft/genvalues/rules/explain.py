"""What a schema violation means to the person who wrote the file: key, got, need, way out."""

import json
import re
from collections.abc import Iterator
from typing import Any

from vlm_sft.genvalues.rules.schema import Violation, resolved
from vlm_sft.genvalues.values.chart import Schema
from vlm_sft.genvalues.values.places import Path, dotted
from vlm_sft.suggest import CURLY, closest, without_curly_quotes
from vlm_sft.swift_arguments.check import PROGRAMS, Command, shown, swift_arguments

_NAMES = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_UNIT = re.compile(r"\[[^\]]+\]")  # a description starts with its unit: [samples] in one forward pass
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SAME = 0.9  # difflib ratio for a name that would belong elsewhere in the file
_ARGUMENTS_OF: dict[Path, Command] = {(): "sft", ("train",): "sft", ("evaluate",): "infer"}  # where one is misplaced
_FEW_KEYS = 12  # as many keys fit on one line


def explain(violation: Violation, root: Schema, from_set: bool = False) -> tuple[Path, str]:
    """Return the path to point at and the message; `from_set`: the value came from `--set`."""
    keyword = violation.keyword
    if keyword == "propertyNames":
        return violation.path, f"is no name for a key here{_needs(violation.schema, root, ', need ')}"
    if keyword == "additionalProperties":
        return violation.path, _unknown_key(violation, root)
    if keyword == "required":
        return violation.path, f"is missing{_needs(_property(violation, root), root, '; need ')}"
    if keyword in ("anyOf", "oneOf"):
        inner = _deepest(violation)
        if inner is not None:
            return explain(inner, root, from_set)
    if keyword in ("minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "contains", "not"):
        return violation.path, _count_message(violation, root)
    need = _needs(violation.schema, root, ", need ")
    return violation.path, f"got {shown(violation.got)}{need}{_way_out(violation, from_set)}"


def _needs(schema: Schema, root: Schema, lead: str) -> str:
    """Return what a schema needs: `, need an integer >= 1 (samples per GPU); e.g. 1`; empty when it needs nothing."""
    schema = resolved(schema, root)
    if not isinstance(schema, dict):
        return ""
    text = _want(schema, root)
    if not text:
        return ""
    title = f" ({schema['title']})" if "title" in schema else ""
    unit = _UNIT.match(schema.get("description", ""))
    title += f" {unit[0]}" if unit else ""
    examples = schema.get("examples", [])
    example = f"; e.g. {json.dumps(examples[0], ensure_ascii=False)}" if examples and "enum" not in schema else ""
    return f"{lead}{text}{title}{example}"


def _want(schema: dict[str, Any], root: Schema) -> str:
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(item, ensure_ascii=False) for item in schema["enum"])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        wants = [_want(sub, root) for sub in (resolved(branch, root) for branch in branches) if isinstance(sub, dict)]
        return " or ".join(dict.fromkeys(want for want in wants if want))
    types = schema.get("type", [])
    names = " or ".join(_NAMES[name] for name in ([types] if isinstance(types, str) else types))
    return " ".join(part for part in (names, _limits(schema)) if part)


def _limits(schema: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    parts = [f"{sign} {json.dumps(schema[key])}" for key, sign in signs.items() if key in schema]
    text = " and ".join(parts)
    if "multipleOf" in schema:
        text += f" that is a multiple of {schema['multipleOf']}"
    if "pattern" in schema:
        text += f" matching {schema['pattern']}"
    if schema.get("minLength", 0) == 1:
        text += " that is not empty"
    elif "minLength" in schema:
        text += f" of at least {schema['minLength']} characters"
    if "maxLength" in schema:
        text += f" of at most {schema['maxLength']} characters"
    return text.strip()


def _count_message(violation: Violation, root: Schema) -> str:
    keyword, got = violation.keyword, violation.got
    if keyword in ("minItems", "maxItems", "minProperties", "maxProperties"):
        what = "items" if keyword.endswith("Items") else "keys"
        return f"has {len(got)} {what}, need at {'least' if keyword.startswith('min') else 'most'} {violation.expected}"
    if keyword == "contains":
        return f"holds no item that is {_needs(violation.expected, root, '') or 'allowed'}"
    return "has an item twice; drop one" if keyword == "uniqueItems" else f"got {shown(got)}, which is not allowed here"


def _unknown_key(violation: Violation, root: Schema) -> str:
    *parents, key = violation.path
    known = [*violation.schema.get("properties", {})]
    guess = closest(str(key), known)
    if guess:
        return f"no such key; did you mean {dotted((*parents, guess))}?"
    elsewhere = _schema_paths(root, str(key))
    if (command := _ARGUMENTS_OF.get(tuple(parents))) and key in swift_arguments()[command]:
        section = parents[0] if parents else "train"
        return f"no such key, but an argument of {PROGRAMS[command]}; move it to {dotted((section, 'args', str(key)))}"
    if elsewhere:
        return f"no such key here; did you mean {' or '.join(map(dotted, elsewhere[:2]))}?"
    if known and len(known) <= _FEW_KEYS:
        return f"no such key; {dotted(tuple(parents)) or 'the top level'} knows {', '.join(sorted(known))}"
    return "no such key; `genvalues schema` lists them"


def _property(violation: Violation, root: Schema) -> Schema:
    return resolved(violation.schema.get("properties", {}).get(violation.path[-1], True), root)


def _deepest(violation: Violation) -> Violation | None:
    """Return the one complaint of the branch that the value was plainly meant for, None when no branch stands out."""
    meant = [cause for cause in violation.causes if cause and all(v.path != violation.path for v in cause)]
    return meant[0][0] if len(meant) == 1 else None


def _way_out(violation: Violation, from_set: bool) -> str:
    value = violation.got
    if not isinstance(value, str):
        return ""
    if without_curly_quotes(value) is not None:
        return CURLY
    if "enum" in violation.schema:
        guess = closest(value, [str(item) for item in violation.schema["enum"]])
        return f"; did you mean {guess}?" if guess else ""
    types = violation.schema.get("type", [])
    if not {"integer", "number"} & {*([types] if isinstance(types, str) else types)}:
        return ""
    if not _NUMBER.fullmatch(value):
        return ""
    return f"; --set keeps {value} as text, use --set-json" if from_set else "; drop the quotes"


def _schema_paths(root: Schema, key: str) -> list[Path]:
    """Return where in the schema a key called nearly `key` stands, the shortest paths first."""
    paths = list(_walk(root, root, ()))
    name = closest(key, {str(path[-1]) for path in paths}, _SAME)
    return sorted((path for path in paths if path[-1] == name), key=lambda path: (len(path), str(path)))


def _walk(schema: Schema, root: Schema, path: Path) -> Iterator[Path]:
    schema = resolved(schema, root)
    if not isinstance(schema, dict) or len(path) > 8:
        return
    for key, child in schema.get("properties", {}).items():
        yield (*path, key)
        yield from _walk(child, root, (*path, key))
