"""Options that more than one command reads the rows of a data set by."""

import click

from vlm_sft.datasets.readers.source import SPLIT_FILES


def words(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Read an option that is repeated, or holds several words between commas, or both."""
    found = (word.strip() for value in values for word in value.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def split_names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    """Read the names of splits; None when none is named.

    Raises:
        click.BadParameter: FIRE has no split of such a name.
    """
    names = words(context, parameter, values)
    for name in names:
        if name not in SPLIT_FILES:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(SPLIT_FILES)}.")
    return names or None
