"""TrainConfig: ms-swift's arguments and environment of a run, read from the train.yaml that the chart renders.

`run.yaml` beside it has those that identify the run, in the same form.
"""

# ruff: noqa: ANN401 - ms-swift's arguments are of every type

import json
import re
import textwrap
from dataclasses import dataclass, field, replace
from typing import Any

from vlm_sft.errors import UserError

MAX_NUMBER = 1e15  # no run has as many of anything; beyond it the estimates leave what a float holds
_FILE = r"^  {}\.yaml: \|\n((?:    .*\n)+)"


@dataclass(frozen=True)
class TrainConfig:
    """Arguments of `swift sft` or `megatron sft`, and the variables of the ENV block."""

    args: dict[str, Any]
    env: dict[str, Any] = field(default_factory=dict)
    identity: "TrainConfig | None" = None  # those that the hash of the run directory covers

    @property
    def is_megatron(self) -> bool:
        """Whether the backend is Megatron: `swift sft` has no such argument, and the chart always gives it."""
        return "micro_batch_size" in self.args

    @property
    def environment(self) -> dict[str, str]:
        """The variables as a process sees them: text."""
        return {name: str(value) for name, value in self.env.items()}

    def argument(self, key: str, default: Any) -> Any:
        """Return an argument as the default's type, the default where it is not given.

        On ms-swift's command line every value is text: "8192" is 8192, "true" is true.

        Raises:
            UserError: a number is needed, and it is none that a run can have.
        """
        value = self.args.get(key)
        if value is None or not isinstance(default, bool | str | int | float):
            return default if value is None else value
        if isinstance(default, bool):
            return value if isinstance(value, bool) else str(value).casefold() in ("true", "1", "yes")
        if isinstance(default, str):
            return str(value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise UserError(f"train.args.{key}: got {value!r}, need a number") from None
        if not abs(number) < MAX_NUMBER:  # nan too
            raise UserError(f"train.args.{key}: got {value!r}, need a number below {MAX_NUMBER:g}")
        return type(default)(number)


def train_config(manifests: str) -> TrainConfig | None:
    """Return the run among rendered manifests; None where nothing is trained."""
    found, identity = (re.search(_FILE.format(name), manifests, re.MULTILINE) for name in ("train", "run"))
    if not found or not identity:
        return None
    return replace(read_train_yaml(textwrap.dedent(found[1])), identity=read_train_yaml(textwrap.dedent(identity[1])))


def read_train_yaml(text: str) -> TrainConfig:
    """Read train.yaml line by line: the chart writes each value as JSON, and PyYAML takes 1e-07 for text."""
    args, _, env = text.partition("\nENV:\n")
    return TrainConfig(_lines(args), _lines(env))


def _lines(text: str) -> dict[str, Any]:
    pairs = (line.strip().partition(": ") for line in text.splitlines())
    return {name: json.loads(value) for name, _, value in pairs if name}
