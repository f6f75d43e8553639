"""The table of a chart's values as Markdown: key, default, and the comment above the key in values.yaml."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.places import Path, ValuesFile, dotted


@dataclass(frozen=True)
class Row:
    """One key that stands on a line of its own; `default` is JSON, empty for a section."""

    key: str
    default: str
    what: str


def values_table(chart: Chart) -> str:
    """Return the table, without a line break at its end."""
    text = (chart.directory / "values.yaml").read_text(encoding="utf-8")
    found = rows_below(yaml.safe_load(text), chart.places, text.splitlines())
    rows = [f"| `{row.key}` | {row.default} | {row.what} |" for row in found]
    return "\n".join(["| key | default | what |", "|---|---|---|", *rows])


def rows_below(values: Any, places: ValuesFile, lines: Sequence[str], path: Path = ()) -> Iterator[Row]:  # noqa: ANN401
    """Yield the keys of a mapping in the order written; what stands on the line of its mapping is part of its default.

    A section, whose keys stand on lines of their own, has no default of its own:

        # Where pods may run.
        scheduling:
          # Labels that a node must have.
          nodeSelector: {}
    """

    def line_of(*steps: str) -> int:
        found = places.find((*path, *steps))
        return found[0].line if found else 0

    for key, child in values.items() if isinstance(values, dict) else ():
        is_section = isinstance(child, dict) and any(line_of(key, inner) != line_of(key) for inner in child)
        default = "" if is_section else f"`{json.dumps(child, ensure_ascii=False)}`"
        what = _comment_above(line_of(key), lines)
        yield Row(dotted((*path, key)), default.replace("|", "\\|"), what.replace("|", "\\|"))
        if is_section:
            yield from rows_below(child, places, lines, (*path, key))


def _comment_above(line: int, lines: Sequence[str]) -> str:
    """Return the comment lines that end above `line` (counted from 1) as one text."""
    found: list[str] = []
    for text in reversed(lines[: line - 1]):
        if not text.lstrip().startswith("# "):
            break
        found.insert(0, text.strip()[2:])
    return " ".join(found)
