"""Errors of the user: one line and an exit code, no traceback."""

import sys
from typing import IO, Any

import click

EXIT_CONFIG = 42  # the chart's podFailurePolicy turns it into FailJob, because a retry would fail the same way


class UserError(click.ClickException):
    """An error that the user can fix. Shown as `error: <message>`; the message has key, got, need, way out."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print one `error:` line per problem to stderr (or `file`)."""
        for line in self.format_message().splitlines():
            click.echo(f"error: {line}", file=file or sys.stderr)


class ConfigError(UserError):
    """An error that a restarted pod would repeat, so Kubernetes must not retry it."""

    exit_code = EXIT_CONFIG
