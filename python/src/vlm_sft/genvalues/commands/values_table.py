"""The table of a chart's values as Markdown: key, default, and the comment above the key in values.yaml."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.node import Node, Path, dotted


@dataclass(frozen=True)
class Row:
    """One key that stands on a line of its own; `default` is JSON, empty for a section."""

    key: str
    default: str
    what: str


def values_table(chart: Chart) -> str:
    """Return the table, without a line break at its end."""
    lines = (chart.directory / "values.yaml").read_text(encoding="utf-8").splitlines()
    rows = [f"| `{row.key}` | {row.default} | {row.what} |" for row in rows_below(chart.defaults, lines)]
    return "\n".join(["| key | default | what |", "|---|---|---|", *rows])


def rows_below(node: Node, lines: Sequence[str], path: Path = ()) -> Iterator[Row]:
    """Yield the keys of a mapping in the order written; what stands on the line of its mapping is part of its default.

    A section, whose keys stand on lines of their own, has no default of its own:

        # Where pods may run.
        scheduling:
          # Labels that a node must have.
          nodeSelector: {}
    """
    for key, child in node.value.items() if isinstance(node.value, dict) else ():
        inner = list(child.value.values()) if isinstance(child.value, dict) else []
        is_section = any(below.origin.line != child.origin.line for below in inner)
        default = "" if is_section else f"`{json.dumps(child.plain(), ensure_ascii=False)}`"
        name = dotted((*path, key))
        yield Row(name, default.replace("|", "\\|"), _comment_above(child.origin.line, lines).replace("|", "\\|"))
        if is_section:
            yield from rows_below(child, lines, (*path, key))


def _comment_above(line: int, lines: Sequence[str]) -> str:
    """Return the comment lines that end above `line` (counted from 1) as one text."""
    found: list[str] = []
    for text in reversed(lines[: line - 1]):
        if not text.lstrip().startswith("# "):
            break
        found.insert(0, text.strip()[2:])
    return " ".join(found)
