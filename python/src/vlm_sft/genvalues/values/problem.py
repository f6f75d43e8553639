"""One mistake in a values file, as data."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong and where: `line` and `column` count from 1, 0 where there is none; `key` may be empty."""

    file: str
    line: int
    column: int
    key: str
    message: str
    severity: Severity = "error"
    rule: str = "values"  # short name, stable for machines: yaml, schema, repeated-key, ...

    @property
    def place(self) -> str:
        """Return `file:line`, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def text(self) -> str:
        """Return `key: message`, or the message alone."""
        return f"{self.key}: {self.message}" if self.key else self.message
