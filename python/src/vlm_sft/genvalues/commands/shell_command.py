"""The shell command of a train.yaml: `NPROC_PER_NODE=4 swift sft --model ... --learning_rate 0.0001`."""

import json
import shlex
from collections.abc import Mapping
from typing import Any


def shell_command(args: Mapping[str, Any], env: Mapping[str, Any], program: str) -> str:
    r"""Return environment, program and one argument per line, each continued with `\`, as a shell takes it.

    A list is several words; numbers, booleans and mappings are JSON, as ms-swift's own YAML reader passes them on.
    """
    variables = [f"{name}={_word(value)}" for name, value in env.items()]
    lists = ((name, value if isinstance(value, list) else [value]) for name, value in args.items())
    lists = ((name, value if isinstance(value, list) else [value]) for name, value in args.items())
    flags = [" ".join([f"  --{name}", *map(_word, values)]) for name, values in lists]
    return " \\\n".join([*variables, program, *flags])


def _word(value: Any) -> str:  # noqa: ANN401 - ms-swift's arguments are of every type
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
