"""A new values file as text: the modeline that editors read, its question, the estimate, the values."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 118  # characters of a comment line
SMALL = 1e-3  # below it a number is written with its exponent
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # no text where they stand alone
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")


def values_text(
    schema: str, question: str, verdict: str, values: Mapping[str, Any], comments: Mapping[str, str]
) -> str:
    """Return the file; `schema` is the path from the file to the schema, `comments` are per dotted key."""
    head = [f"# yaml-language-server: $schema={schema}"]
    head += _wrapped(f"Question: {' '.join(question.split())}")
    head[-1] += "   # Result: pending"
    head += _wrapped(f"Estimate: {verdict}")
    return "\n".join([*head, *_lines(values, comments)]) + "\n"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _lines(values: Mapping[str, Any], comments: Mapping[str, str], path: str = "") -> Iterator[str]:
    """Yield one line per key; a mapping of single values is written on its key's line, save train.args, the longest."""
    indent = "  " * path.count(".")
    for key, value in values.items():
        name = f"{path}{key}"
        comment = f"  # {comments[name]}" if name in comments else ""
        is_block = isinstance(value, dict) and (not path or any(isinstance(v, dict) for v in value.values()))
        if is_block or name == "train.args":
            yield f"{indent}{key}:{comment}"
            yield from _lines(value, comments, f"{name}.")
        else:
            yield f"{indent}{key}: {_inline(value)}{comment}"


def _inline(value: Any) -> str:  # noqa: ANN401 -- a value of a values file
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
        return value
    if isinstance(value, float) and value < SMALL:
        return f"{value:.1e}".replace("e-0", "e-")  # Helm reads 1e-4 as a number, PyYAML only 1.0e-4
    return json.dumps(value, ensure_ascii=False)
