"""`--map prompt=question,images=picture`: the columns of somebody's own data under the names that a row's shape has."""

from collections.abc import Mapping

import click

from vlm_sft.datasets.conversation import Conversation, Drop
from vlm_sft.datasets.dataset import Adapter, Parse
from vlm_sft.datasets.generic.shapes import parse
from vlm_sft.datasets.options import words

SHAPES = (
    ("messages",),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("instruction", "output", "input"),
    ("text",),
)
BESIDE = ("images", "history", "system", "id", "source")  # what a row of any shape may have
NAMES = (*dict.fromkeys(name for shape in SHAPES for name in shape), *BESIDE)


def _shapes() -> str:
    return ", or ".join(" and ".join(shape) for shape in SHAPES)


def columns(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read the option: NAME=COLUMN, separated by commas, or repeated."""
    found: dict[str, str] = {}
    for pair in words(context, parameter, values):
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not column or name not in NAMES:
            raise click.BadParameter(f"got {pair!r}; need NAME=COLUMN with NAME one of {', '.join(NAMES)}.")
        if name in found:
            raise click.BadParameter(f"{name} is given twice: {found[name]} and {column}.")
        found[name] = column
    if found and not any(found.keys() - set(BESIDE) == set(shape) for shape in SHAPES):
        raise click.BadParameter(f"got {', '.join(found)}; need {_shapes()}; beside it only {', '.join(BESIDE)}.")
    return found


MAP = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="NAME=COLUMN,...",
    callback=columns,
    help="The names of your columns, such as prompt=question,completion=answer. Name all that are needed: "
    f"{_shapes()}; and those that you have of {', '.join(BESIDE)}. No other column is read. A field inside a column is "
    "named with a dot, a.b.  [default: columns with these names, or with common ones such as question and answer]",
)


def adapter(mapping: Mapping[str, str] | None = None, **_: object) -> Adapter:
    """Return the adapter that reads the columns of `mapping`; all columns by their own names without it."""
    return Adapter(_renamed(mapping) if mapping else parse)


def _renamed(mapping: Mapping[str, str]) -> Parse:
    """Return a parser of the mapped columns, and of the row's own id."""
    paths = {name: column.split(".") for name, column in mapping.items()}

    def parse_mapped(row: object) -> Conversation | Drop:
        if not isinstance(row, dict):
            return Drop("row_not_an_object", type(row).__name__)
        fields: dict[str, object] = {"id": row.get("id")}
        for name, path in paths.items():
            value: object = row
            for key in [mapping[name]] if mapping[name] in row else path:
                if not isinstance(value, dict) or key not in value:
                    return Drop("column_missing", f"{mapping[name]}; the row has {', '.join(map(str, row))[:80]}")
                value = value[key]
            fields[name] = value
        return parse(fields)

    return parse_mapped
