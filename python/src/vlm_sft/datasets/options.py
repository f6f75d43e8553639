"""Options of every command that reads the rows of a dataset."""

import re
from collections.abc import Callable
from typing import Any

import click

from vlm_sft.datasets.dataset import Dataset

SPLIT_NAME = re.compile(r"\w+(\.\w+)*")  # as the library datasets has it
Values = tuple[str, ...]
Command = Callable[..., Any]


def words(_context: click.Context, _parameter: click.Parameter, values: Values) -> Values:
    """Read an option that is repeated, or contains several words separated by commas, or both."""
    found = (word.strip() for value in values for word in value.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def _about_input(dataset: Dataset) -> str:
    if dataset.locate:
        return f"Dataset on the hub, or folder with {dataset.formats}."
    on_hub = f" such as {dataset.hub_id}" if dataset.hub_id else ""
    of_dataset = "the files of " if dataset.hub_id else ""
    local = f"Folder with {of_dataset}{dataset.title}, or one of the files ({dataset.formats})"
    return f"{local}; or a dataset on the hub{on_hub}."


def row_options(dataset: Dataset) -> Callable[[Command], Command]:
    """Return a decorator that adds --input (`source`), --splits, --sources and --max-samples.

    `splits` is None when none is given.
    """

    def split_names(context: click.Context, parameter: click.Parameter, values: Values) -> Values | None:
        names = words(context, parameter, values)
        for name in names:
            if dataset.locate and not SPLIT_NAME.fullmatch(name):
                raise click.BadParameter(f"{name!r} is not the name of a split.")
            if not dataset.locate and name not in dataset.split_files:
                raise click.BadParameter(f"{name!r} is not one of {', '.join(dataset.split_files)}.")
        return names or None

    splits, default = ", ".join(dataset.split_files), ",".join(dataset.default_splits)
    options = (
        click.option(
            "--input",
            "source",
            required=True,
            metavar="PATH|ORG/NAME[@REV]",
            help=_about_input(dataset),
        ),
        click.option(
            "--splits",
            multiple=True,
            metavar="NAME,...",
            callback=split_names,
            help=f"Any that the dataset has.  [default: {default}]"
            if dataset.locate
            else f"Any of {splits}.  [default: {default}; for a single file, derived from its name]",
        ),
        click.option(
            "--sources",
            multiple=True,
            metavar="NAME,...",
            callback=words,
            help=f"Use only rows with these sources ({dataset.about_sources}). Other rows do not count as dropped or "
            "missing.  [default: all]",
        ),
        click.option(
            "--max-samples",
            envvar="MAX_SAMPLES",
            show_envvar=True,
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Use only the first N trajectories of each split that can be used; 0 = all.",
        ),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
