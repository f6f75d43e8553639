"""ms-swift's own YAML config as the chart renders it: argument names to values, and an `ENV:` block.

model: Qwen/Qwen3-VL-32B-Instruct
per_device_train_batch_size: 1
ENV:
  NPROC_PER_NODE: 4
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlm_sft.errors import ConfigError


@dataclass(frozen=True)
class SwiftConfig:
    """One ms-swift config file: `args` are its arguments, `env` its `ENV:` block as strings."""

    path: Path
    args: Mapping[str, Any]
    env: Mapping[str, str]

    @property
    def is_megatron(self) -> bool:
        """Whether it belongs to `megatron sft`: the chart always sets this argument there, and `swift sft` lacks it."""
        return "micro_batch_size" in self.args

    def texts(self, key: str) -> list[str]:
        """Return an argument with one or several values as a list of strings; empty when it is not set."""
        value = self.args.get(key)
        if value is None or value == "":
            return []
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]

    def integer(self, key: str, default: int) -> int:
        """Return an argument that counts something, or `default` when it is not set.

        Raises:
            ConfigError: the value is no whole number.
        """
        value = self.args.get(key, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise ConfigError(f"{self.path}: {key}: got {value!r}, need a whole number") from None

    @property
    def output_dir(self) -> Path:
        """The run directory: it contains checkpoints, curves and the report.

        Raises:
            ConfigError: output_dir is not set.
        """
        if not self.args.get("output_dir"):
            raise ConfigError(f"{self.path}: output_dir: not set; name the folder for this run's checkpoints")
        return Path(str(self.args["output_dir"]))


def read_swift_config(path: Path) -> SwiftConfig:
    """Read an ms-swift YAML config.

    Raises:
        ConfigError: the file is missing, not YAML, or not a mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the path of an ms-swift YAML config") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: got {type(document).__name__}, need a mapping of ms-swift arguments")
    env = document.pop("ENV", None) or {}
    if not isinstance(env, dict):
        raise ConfigError(f"{path}: ENV: got {type(env).__name__}, need a mapping of variable names to values")
    return SwiftConfig(path, document, {str(name): str(value) for name, value in env.items()})
