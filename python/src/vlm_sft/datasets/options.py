"""Options of every command that reads the rows of a dataset."""

from collections.abc import Callable
from typing import Any

import click

from vlm_sft.datasets.dataset import Dataset

Values = tuple[str, ...]
Command = Callable[..., Any]


def words(_context: click.Context, _parameter: click.Parameter, values: Values) -> Values:
    """Read an option that is repeated, or contains several words separated by commas, or both."""
    found = (word.strip() for value in values for word in value.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def row_options(dataset: Dataset) -> Callable[[Command], Command]:
    """Return a decorator that adds --input (`source`), --splits, --sources and --max-samples.

    `splits` is None when none is given.
    """

    def split_names(context: click.Context, parameter: click.Parameter, values: Values) -> Values | None:
        names = words(context, parameter, values)
        for name in names:
            if name not in dataset.split_files:
                raise click.BadParameter(f"{name!r} is not one of {', '.join(dataset.split_files)}.")
        return names or None

    splits, default = ", ".join(dataset.split_files), ",".join(dataset.default_splits)
    options = (
        click.option(
            "--input",
            "source",
            required=True,
            metavar="PATH|ORG/NAME[@REV]",
            help=f"Folder with {dataset.title}'s files, one of the files (JSON, JSON lines, CSV or Parquet), or a "
            f"dataset on the hub such as {dataset.hub_id}.",
        ),
        click.option(
            "--splits",
            multiple=True,
            metavar="NAME,...",
            callback=split_names,
            help=f"Any of {splits}.  [default: {default}; for a single file, derived from its name]",
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
