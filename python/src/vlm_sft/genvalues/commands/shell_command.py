"""The shell command that runs what train.yaml says: `NPROC_PER_NODE=4 swift sft --model ... --learning_rate 0.0001`."""

import json
import shlex
from collections.abc import Mapping
from typing import Any


def shell_command(args: Mapping[str, Any], env: Mapping[str, Any], program: str = "swift sft") -> str:
    r"""Return environment, program and one argument per line, each continued with `\`, as a shell takes it."""
    variables = [f"{name}={shlex.quote(word(value))}" for name, value in env.items()]
    flags = [f"  {' '.join([f'--{name}', *map(shlex.quote, words(value))])}" for name, value in args.items()]
    return " \\\n".join([*variables, program, *flags])


def words(value: Any) -> list[str]:  # noqa: ANN401 -- ms-swift's arguments are of every type
    """Return an argument's values as ms-swift's own YAML reader puts them on its command line: a list is several."""
    return [word(item) for item in value] if isinstance(value, list) else [word(value)]


def word(value: Any) -> str:  # noqa: ANN401 -- ms-swift's arguments are of every type
    """Return text as it stands; numbers, booleans and mappings as JSON, which ms-swift reads on its command line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
