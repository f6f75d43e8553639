"""A run from config to exit code, as far as no training is needed; test_interruption.py covers the rest."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vlm_sft.runs.report import evidence, table
from vlm_sft.runs.swift_config import read_swift_config
from vlm_sft.train.run import ended_record
from vlm_sft.train.run_data import changed_data


def vlm_sft(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "vlm-sft"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_config(tmp_path: Path, **args: object) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(json.dumps({"output_dir": str(tmp_path / "out"), **args}))
    return path


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run_report.json").write_text(json.dumps({"status": "finished", "steps": 12}))
    ended = vlm_sft("train", str(write_config(tmp_path)))
    assert ended.returncode == 0
    assert ended.stderr == f"{tmp_path}/out: already finished at step 12; nothing to do\n"


def test_a_wrong_config_ends_with_the_exit_code_that_kubernetes_does_not_retry(tmp_path: Path) -> None:
    ended = vlm_sft("train", str(write_config(tmp_path, model="/no/model")))
    assert ended.returncode == 42
    assert ended.stderr.splitlines() == [
        "error: dataset: not set; name a file or a hub id",
        "error: model: /no/model has no config.json; give a folder in Hugging Face format",
    ]
    assert not (tmp_path / "out").exists()


def test_a_missing_config_ends_with_the_same_code(tmp_path: Path) -> None:
    ended = vlm_sft("train", str(tmp_path / "none.yaml"))
    assert ended.returncode == 42
    assert (
        ended.stderr
        == f"error: {tmp_path}/none.yaml: No such file or directory; give the path of an ms-swift YAML config\n"
    )


def test_a_problem_of_only_this_node_is_retried(tmp_path: Path) -> None:
    config = write_config(tmp_path, model="org/model", dataset="org/data", ENV={"NPROC_PER_NODE": 4})
    ended = vlm_sft("train", str(config), "--gpus", "4")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: GPUs: none visible, need 4")


def test_a_resumed_run_refuses_data_that_changed(make_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    config = write_config(tmp_path, model="org/model", dataset=str(tmp_path / "rows.jsonl"))
    make_checkpoint(tmp_path / "out", 5, world_size=1)
    assert changed_data(read_swift_config(config), resuming=False) is None  # the run started with these
    way_out = f"restore the data, or start a new run: delete {tmp_path}/out"
    for rows, change in [
        ("{}\n", "3 bytes, but this run started with 6"),
        ("[]\n[]\n", "6 bytes as at the start of this run, but with other content"),
    ]:
        (tmp_path / "rows.jsonl").write_text(rows)
        ended = vlm_sft("train", str(config))
        assert ended.returncode == 42
        assert ended.stderr.splitlines()[-1] == f"error: {tmp_path}/rows.jsonl: {change}; {way_out}"
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    assert changed_data(read_swift_config(config), resuming=True) is None


def test_a_missing_report_is_reported(tmp_path: Path) -> None:
    ended = vlm_sft("report", str(tmp_path))
    assert ended.returncode == 1
    problem = "missing or unreadable; wait until the run ends, or give a run directory"
    assert ended.stderr == f"error: {tmp_path}/run_report.json: {problem}\n"


def test_a_non_zero_exit_code_is_no_failure_when_the_last_checkpoint_is_complete(
    make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    record, run_dir = tmp_path / "record.json", tmp_path / "run"
    assert ended_record(record, run_dir, 2, returncode=0) is None
    record.write_text('{"steps": 20}')
    make_checkpoint(run_dir, 10)
    assert ended_record(record, run_dir, 2, returncode=1) is None
    assert ended_record(record, run_dir, 2, returncode=0) == {"steps": 20}
    last = make_checkpoint(run_dir, 20)
    assert ended_record(record, run_dir, 2, returncode=1) == {"steps": 20}
    (last / "optimizer.pt").unlink()
    assert ended_record(record, run_dir, 2, returncode=1) is None


RECORD = {
    "parallel_mode": "DISTRIBUTED",
    "ranks_in_all_reduce": 2,
    "initial_fingerprints": ["a", "a"],
    "final_fingerprints": ["b", "b"],
    "gradient_fingerprints": ["g", "g"],
}


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        ({}, "same_weights_on_all_ranks", True),
        ({"final_fingerprints": ["b", "c"]}, "same_weights_on_all_ranks", False),
        ({"gradient_fingerprints": ["g", "h"]}, "same_gradient_on_all_ranks", False),
        ({"gradient_fingerprints": []}, "same_gradient_on_all_ranks", None),
        ({"final_fingerprints": [None, None]}, "weights_changed", None),
        ({"final_fingerprints": ["a", "a"]}, "weights_changed", False),
    ],
)
def test_evidence_shows_what_the_ranks_recorded(change: dict[str, object], key: str, expected: bool | None) -> None:
    assert evidence({**RECORD, **change})[key] is expected


def test_the_table_shows_the_batch_as_its_product() -> None:
    report = {
        "status": "finished", "world_size": 4, "wrapper": "DistributedDataParallel", "effective_batch_size": 64,
        "batch_size_per_gpu": 1, "gradient_accumulation_steps": 16, "steps": 10, "max_steps": 10, "first_loss": None,
        "last_loss": 1.5, "tokens": 12345, "tokens_per_s": 99.6, "train_seconds": 5.0, "seconds": 9.0,
        "peak_memory_gib": [1.0, 2.5], "peak_memory_of": "gpu", "checkpoint": "/outputs/x/checkpoint-10",
    }  # fmt: skip
    assert table(report).splitlines()[2:5] == [
        "effective batch size       64 (1 per process x 16 accumulation x 4 processes)",
        "optimizer steps            10 of 10",
        "loss, first and last       - -> 1.5000",
    ]
