"""What is served: for a finished run its export or else its checkpoint; any other model as named."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from vlm_sft.errors import ConfigError
from vlm_sft.serve import cli


def run_directory(tmp_path: Path, weights: str, status: str = "finished") -> Path:
    checkpoint = tmp_path / "checkpoint-3"
    checkpoint.mkdir()
    for name in ("model.safetensors", weights):
        (checkpoint / name).touch()
    (tmp_path / "run_report.json").write_text(json.dumps({"status": status, "checkpoint": str(checkpoint)}))
    return checkpoint


def test_a_run_s_adapter_is_served_until_it_is_exported(tmp_path: Path) -> None:
    checkpoint = run_directory(tmp_path, "adapter_config.json")
    assert cli.chosen(str(tmp_path)) == {"adapters": str(checkpoint)}
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "export.json").write_text(json.dumps({"checkpoint": "an earlier one"}))
    assert cli.chosen(str(tmp_path)) == {"adapters": str(checkpoint)}
    (tmp_path / "export" / "export.json").write_text(json.dumps({"checkpoint": str(checkpoint)}))
    assert cli.chosen(str(tmp_path)) == {"model": f"{tmp_path}/export"}


def test_whole_weights_and_other_models_are_served_as_they_are(tmp_path: Path) -> None:
    checkpoint = run_directory(tmp_path, "config.json")
    assert cli.chosen(str(tmp_path)) == {"model": str(checkpoint)}
    assert cli.chosen(str(checkpoint)) == {"model": str(checkpoint)}
    assert cli.chosen("org/model") == {"model": "org/model"}


def test_an_unfinished_training_is_refused_and_not_retried(tmp_path: Path) -> None:
    run_directory(tmp_path, "adapter_config.json", status="stopped")
    with pytest.raises(ConfigError, match="status is stopped, need finished; resume the training"):
        cli.chosen(str(tmp_path))


def test_the_key_stays_off_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serve.yaml").write_text("served_model_name: fire\nmodel: other\nENV: {MAX_PIXELS: 9, HOME: /none}\n")
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _, command, env: started.append((command, env)))
    monkeypatch.setenv("VLM_SFT_API_KEY", "of-this-test")
    done = CliRunner().invoke(cli.serve, ["org/model", f"--config={tmp_path}/serve.yaml", "--port=81"])
    assert done.exit_code == 0, done.output
    ((command, env),) = started
    words = ["--use_hf", "True", "--served_model_name", "fire", "--model", "org/model", "--port", "81"]
    assert command == [sys.executable, str(cli.SERVER), *words]
    assert (env["VLM_SFT_API_KEY"], env["MAX_PIXELS"], env["HOME"]) == ("of-this-test", "9", os.environ["HOME"])
