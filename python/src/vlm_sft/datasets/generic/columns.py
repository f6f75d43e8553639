"""`--map prompt=question,images=picture`: the columns of somebody's own data under the names that a row's shape has."""

import re
from collections.abc import Mapping

import click

from vlm_sft.datasets.conversation import Conversation, Drop
from vlm_sft.datasets.dataset import Adapter
from vlm_sft.datasets.generic.shapes import parse
from vlm_sft.datasets.options import words

NAMES = (
    "messages",
    "prompt",
    "completion",
    "instruction",
    "input",
    "output",
    "text",
    "images",
    "system",
    "id",
    "source",
)


def columns(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read the option: NAME=COLUMN, separated by commas, or repeated."""
    found: dict[str, str] = {}
    for pair in words(context, parameter, values):
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not column or name not in NAMES:
            raise click.BadParameter(f"got {pair!r}, need NAME=COLUMN with one of {', '.join(NAMES)}.")
        if name in found:
            raise click.BadParameter(f"{name} is given twice: {found[name]} and {column}.")
        found[name] = column
    return found


MAP = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="NAME=COLUMN,...",
    callback=columns,
    help=f"Columns that hold what a row needs: {', '.join(NAMES)}. A nested field is named with dots, a.b.  "
    "[default: columns with these names]",
)


def adapter(mapping: Mapping[str, str] | None = None, **_: object) -> Adapter:
    """Return the adapter that reads the columns of `mapping`; all columns by their own names without it."""
    return Adapter(_renamed(mapping) if mapping else parse)


class _renamed:  # noqa: N801  used as a function
    """Parses a row after taking the mapped columns out of it."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._paths = {name: re.split(r"\.", column) for name, column in mapping.items()}
        self._columns = mapping

    def __call__(self, row: object) -> Conversation | Drop:
        if not isinstance(row, dict):
            return Drop("row_not_an_object", type(row).__name__)
        renamed = {}
        for name, path in self._paths.items():
            column = self._columns[name]
            value: object = row
            for key in [column] if column in row else path:
                if not isinstance(value, dict) or key not in value:
                    return Drop("column_missing", f"{column}; the row has {', '.join(map(str, row))[:80]}")
                value = value[key]
            renamed[name] = value
        return parse({"id": row.get("id"), **renamed})
