"""Reading ms-swift's own config."""

from pathlib import Path

import pytest
from vlm_sft.errors import ConfigError
from vlm_sft.runs.swift_config import read_swift_config


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "got list, need a mapping of ms-swift arguments"),
        ("", "got NoneType, need a mapping of ms-swift arguments"),
        ("ENV: [1]\n", "ENV: got list, need a mapping of variable names to values"),
        ("a: [\n", "not YAML"),
    ],
)
def test_a_file_of_another_kind_is_a_config_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_swift_config(write(tmp_path, text))


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.yaml: No such file or directory"):
        read_swift_config(tmp_path / "train.yaml")


def test_a_config_without_run_directory_is_refused(tmp_path: Path) -> None:
    config = read_swift_config(write(tmp_path, "model: m\n"))
    with pytest.raises(ConfigError, match="output_dir: not set"):
        _ = config.output_dir
