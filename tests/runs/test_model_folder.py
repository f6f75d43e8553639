"""A copy of a model that lacks files is refused before its weights are read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from vlm_sft.runs.model_folder import missing
from vlm_sft.sample.model import write_model

TEXT: dict[str, Any] = {"model_type": "llama"}
VISION: dict[str, Any] = {"model_type": "qwen3_vl", "vision_config": {"depth": 2}}
NO_TOKENIZER = "has no tokenizer (tokenizer.json, vocab.json or tokenizer.model); copy the whole model"
NO_IMAGES = (
    "has no preprocessor_config.json, but its config.json has a vision_config, so images need it; copy the whole model"
)


@pytest.mark.parametrize(
    ("config", "files", "messages"),
    [
        (TEXT, ["tokenizer.json"], []),
        (TEXT, ["tokenizer.model", "tokenizer_config.json"], []),
        (TEXT, ["vocab.json", "merges.txt"], []),
        (TEXT, ["tekken.json"], []),
        (TEXT, [], [NO_TOKENIZER]),
        (TEXT, ["tokenizer_config.json"], [NO_TOKENIZER]),  # the large file of the two was not copied
        (VISION, ["tokenizer.json"], [NO_IMAGES]),
        (VISION, ["tokenizer.json", "preprocessor_config.json"], []),
        (VISION, ["tokenizer.json", "processor_config.json"], []),
        (VISION, [], [NO_TOKENIZER, NO_IMAGES]),
        ({**VISION, "auto_map": {"AutoModel": "modeling.Own"}}, [], []),
        ([], [], [NO_TOKENIZER]),
    ],
    ids=str,
)
def test_each_kind_of_file_that_is_missing_is_named(
    tmp_path: Path, config: dict[str, Any], files: list[str], messages: list[str]
) -> None:
    for name in ("model.safetensors", *files):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert list(missing(tmp_path)) == [f"{tmp_path} {message}" for message in messages]


def test_training_from_an_incomplete_copy_ends_with_exit_code_42_and_a_line(tmp_path: Path) -> None:
    model = tmp_path / "model"
    write_model(model)
    assert list(missing(model)) == []
    (model / "processor_config.json").unlink()
    (tmp_path / "train.jsonl").write_text("{}\n")
    args = {"model": str(model), "dataset": [str(tmp_path / "train.jsonl")], "output_dir": str(tmp_path / "out")}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(args))
    command = [sys.executable, "-m", "vlm_sft", "train", str(tmp_path / "train.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 42
    assert f"model: {model} {NO_IMAGES}" in done.stderr.splitlines()[-1]
