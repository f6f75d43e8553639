"""A click group that imports the module of a command only when it is used, so that `--help` is fast."""

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import click

Commands = Mapping[str, tuple[str, str]]  # name -> module with a click command of that name, one-line help


class LazyGroup(click.Group):
    """Lists its commands without importing them; created by `lazy_group`."""

    lazy: ClassVar[Commands] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the sub-commands in order."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the sub-command; None if there is none of that name."""
        if cmd_name not in self.lazy:
            return None
        command: click.Command = getattr(import_module(self.lazy[cmd_name][0]), cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the sub-commands with their one-line help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])


def lazy_group(commands: Commands) -> type[LazyGroup]:
    """Return a group class for `@click.group(cls=...)` with these commands."""
    return type("LazyCommands", (LazyGroup,), {"lazy": commands})
