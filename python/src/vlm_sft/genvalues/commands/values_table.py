"""The table of a chart's values as Markdown: key, default, and the comment above the key in values.yaml."""

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any

import yaml

from vlm_sft.errors import UserError
from vlm_sft.genvalues.values.places import Path, ValuesFile, dotted, read_places

BAR = r"\|"  # inside a cell


def values_table(chart: FilePath) -> str:
    """Return the table of a chart's folder, without a line break at its end."""
    places, problems = read_places(chart / "values.yaml")
    if problems:
        raise UserError(f"{problems[0].place}: {problems[0].text}")
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    rows = rows_below(yaml.safe_load(text), places, text.splitlines())
    return "\n".join(["| key | default | what |", "|---|---|---|", *rows])


def rows_below(
    values: Any,  # noqa: ANN401 - a YAML value may be anything
    places: ValuesFile,
    lines: Sequence[str],
    path: Path = (),
) -> Iterator[str]:
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
        cells = [default, _comment_above(line_of(key), lines)]
        yield f"| `{dotted((*path, key))}` | {' | '.join(cell.replace('|', BAR) for cell in cells)} |"
        if is_section:
            yield from rows_below(child, places, lines, (*path, key))


def _comment_above(line: int, lines: Sequence[str]) -> str:
    """Return the comment lines that end above `line` (counted from 1) as one text."""
    above = takewhile(lambda text: text.lstrip().startswith("# "), reversed(lines[: line - 1]))
    return " ".join(text.strip()[2:] for text in [*above][::-1])
