"""Command lines of ms-swift: torchrun, ms-swift's entry point, and its arguments.

They run what `swift sft CONFIG` runs in the end, without the extra Python process of `swift` itself (3 s of imports).
"""

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError

RENDEZVOUS = ("NPROC_PER_NODE", "NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")  # ms-swift's names -> torchrun's


@dataclass(frozen=True)
class Launch:
    """A command line and the environment that it runs in."""

    command: list[str]
    env: dict[str, str]
    stdout: int | None = None  # file descriptor; None: that of this process


def argv(args: Mapping[str, Any]) -> list[str]:
    """Return arguments as ms-swift itself reads them from YAML: lists as several values, mappings as JSON."""
    words: list[str] = []
    for name, value in args.items():
        words.append(f"--{name}")
        if isinstance(value, list):
            words += [str(item) for item in value]
        else:
            words.append(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value))
    return words


def torchrun(env: Mapping[str, str]) -> list[str]:
    """Return the command that starts one process per GPU, with the options that ms-swift reads from the environment."""
    options = [word for name in RENDEZVOUS if name in env for word in (f"--{name.lower()}", env[name])]
    return [sys.executable, "-m", "torch.distributed.run", *options]


def entry_point(command: str) -> str:
    """Return the path of the script behind `swift <command>`, without importing ms-swift.

    Raises:
        ConfigError: ms-swift is not installed.
    """
    spec = importlib.util.find_spec("swift")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("ms-swift: not installed; use the training image, or `pip install 'vlm-sft[train]'`")
    return str(Path(spec.submodule_search_locations[0]) / "cli" / f"{command}.py")
