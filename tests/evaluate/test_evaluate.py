"""What an evaluation refuses, and what it does not repeat; `make smoke` runs a real one."""

import json
import subprocess
import sys
from pathlib import Path

VLM_SFT = Path(sys.executable).parent / "vlm-sft"


def evaluate(run_dir: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [VLM_SFT, "evaluate", config, "--run-dir", run_dir]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_config(tmp_path: Path, **args: object) -> Path:
    path = tmp_path / "evaluate.yaml"
    path.write_text(json.dumps({"model": "m", **args}))
    return path


def test_a_missing_or_unfinished_run_is_refused_and_not_retried(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ended = evaluate(tmp_path, config)
    assert ended.returncode == 42
    way_out = "missing, so there is no finished run; train first, or correct the run directory"
    assert ended.stderr == f"error: {tmp_path}/run_report.json: {way_out}\n"
    (tmp_path / "run_report.json").write_text('{"status": "stopped"}')
    ended = evaluate(tmp_path, config)
    assert ended.returncode == 42
    assert ended.stderr.endswith("status is stopped, need finished; resume the training\n")


def finish(tmp_path: Path) -> Path:
    checkpoint = tmp_path / "checkpoint-3"
    (tmp_path / "run_report.json").write_text(json.dumps({"status": "finished", "checkpoint": str(checkpoint)}))
    return checkpoint


def test_a_missing_checkpoint_and_missing_data_are_named(tmp_path: Path) -> None:
    checkpoint = finish(tmp_path)
    ended = evaluate(tmp_path, write_config(tmp_path))
    assert (
        ended.stderr
        == f"error: {checkpoint}: no weights (*.safetensors) there; restore the checkpoint, or train again\n"
    )
    checkpoint.mkdir()
    (checkpoint / "adapter_model.safetensors").touch()
    ended = evaluate(tmp_path, write_config(tmp_path, val_dataset=f"{tmp_path}/rows.jsonl#2"))
    assert ended.returncode == 42
    assert ended.stderr == (
        f"error: val_dataset: {tmp_path}/rows.jsonl is missing or empty; prepare the data, or correct the path\n"
    )


def test_shards_are_evaluated_from_their_export(tmp_path: Path) -> None:
    checkpoint = finish(tmp_path)
    (checkpoint / "pytorch_model_fsdp_0").mkdir(parents=True)
    ended = evaluate(tmp_path, write_config(tmp_path))
    assert ended.returncode == 42
    assert (
        ended.stderr
        == f"error: {checkpoint}: shards, which ms-swift cannot load; run `vlm-sft export {tmp_path}` first\n"
    )
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "export.json").write_text(json.dumps({"checkpoint": str(checkpoint)}))
    ended = evaluate(tmp_path, write_config(tmp_path, no_such_argument=1))
    assert f"generating with {tmp_path}/export\n" in ended.stderr


def test_a_config_that_ms_swift_refuses_leaves_no_predictions(tmp_path: Path) -> None:
    checkpoint = finish(tmp_path)
    checkpoint.mkdir()
    (checkpoint / "adapter_model.safetensors").touch()
    (tmp_path / "rows.jsonl").write_text("{}\n")
    ended = evaluate(tmp_path, write_config(tmp_path, val_dataset=f"{tmp_path}/rows.jsonl", no_such_argument=1))
    assert ended.returncode == 1
    assert "swift infer: ended with exit code 1; its own message is above" in ended.stderr
    assert not list((tmp_path / "evaluation").iterdir())
