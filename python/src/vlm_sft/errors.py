"""What went wrong and whose fault it is: a user's mistake is one line and an exit code, never a traceback."""

import sys
from typing import IO, Any

import click

EXIT_CONFIG = 42  # the chart's podFailurePolicy turns it into FailJob: the same pod would fail the same way again


class UserError(click.ClickException):
    """A mistake that the user can mend. Shown as `error: <message>`; the message says key, got, need, way out."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print one `error:` line per problem to stderr (or `file`)."""
        for line in self.format_message().splitlines():
            click.echo(f"error: {line}", file=file or sys.stderr)


class ConfigError(UserError):
    """A mistake that a restarted pod would make again, so Kubernetes must not retry it."""

    exit_code = EXIT_CONFIG
