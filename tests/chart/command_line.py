"""Command lines of `vlm-sft` as the program reads them."""

from typing import Any

import click
from vlm_sft.cli import main


def parsed(words: list[str]) -> dict[str, Any]:
    """Return the parameters of a command line, without running it."""
    command: click.Command = main
    context = click.Context(main, info_name=words[0])
    rest = words[1:]
    while isinstance(command, click.Group):
        name, *rest = rest
        found = command.get_command(context, name)
        assert found, f"no command {name} in {words}"
        command = found
    return command.make_context(command.name, list(rest), parent=context).params
