"""A run from config to exit code, as far as no training is needed; test_interruption.py covers the rest."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vlm_sft.runs.report import evidence, table
from vlm_sft.runs.swift_config import read_swift_config
from vlm_sft.train.run import ended_record
from vlm_sft.train.run_data import changed_start, started_with


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
    assert changed_start(read_swift_config(config), 1, resuming=False) is None  # the run started with these
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
    assert changed_start(read_swift_config(config), 1, resuming=True) is None


ROW = {"model": "org/model", "dataset": "org/rows"}


@pytest.mark.parametrize(
    ("args", "tied"),
    [
        ({"deepspeed": "zero3"}, "deepspeed zero3"),
        ({"fsdp": "fsdp2"}, "fsdp fsdp2"),
        ({"sequence_parallel_size": 2}, "sequence_parallel_size 2"),
        ({"streaming": True}, "streaming True"),
        ({"group_by_length": "true"}, "group_by_length true"),
        ({"task_type": "embedding"}, "task_type embedding"),
        ({"average_tokens_across_devices": False}, "average_tokens_across_devices false"),
    ],
)
def test_another_number_of_processes_is_refused_where_it_cannot_continue(
    make_checkpoint: Callable[..., Path], tmp_path: Path, args: dict[str, object], tied: str
) -> None:
    config = write_config(tmp_path, **ROW, **args, ENV={"NPROC_PER_NODE": 2})
    make_checkpoint(tmp_path / "out", 5, world_size=4)
    assert changed_start(read_swift_config(config), 4, resuming=False) is None
    ended = vlm_sft("train", str(config))
    assert ended.returncode == 42
    assert ended.stderr.splitlines()[-1] == (
        f"error: NPROC_PER_NODE: got 2 processes in all, need 4: this run started with 4, and with {tied} no other "
        f"number can continue it; use 4 (train.gpusPerNode x train.nodes), or start a new run: delete {tmp_path}/out"
    )


def test_other_rows_per_pass_are_refused_where_they_change_the_loss(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    embedding = {**ROW, "task_type": "embedding"}
    for args in (ROW, embedding):
        config = read_swift_config(write_config(tmp_path, **args, per_device_train_batch_size=4))
        assert changed_start(config, 2, resuming=False) is None
    config = read_swift_config(write_config(tmp_path, **ROW, per_device_train_batch_size=1))
    assert changed_start(config, 2, resuming=True) is None
    config = read_swift_config(write_config(tmp_path, **embedding, per_device_train_batch_size=1))
    assert changed_start(config, 2, resuming=True) == (
        "per_device_train_batch_size: got 1, need 4: this run started with 4, and with task_type embedding another one "
        f"changes the loss; use 4 (train.batchSizePerGpu), or start a new run: delete {tmp_path}/out"
    )


def test_ddp_continues_with_another_number_of_processes(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert started_with(tmp_path / "out") is None
    config = read_swift_config(write_config(tmp_path, **ROW, sequence_parallel_size=1, group_by_length=False))
    assert changed_start(config, 4, resuming=False) is None
    assert changed_start(config, 2, resuming=True) is None
    assert started_with(tmp_path / "out") == 4
    megatron = read_swift_config(write_config(tmp_path, **ROW, micro_batch_size=1))
    refusal = changed_start(megatron, 2, resuming=True)
    assert refusal is not None
    assert "with megatron sft no other number can continue it" in refusal


def test_a_missing_report_is_reported(tmp_path: Path) -> None:
    ended = vlm_sft("report", str(tmp_path))
    assert ended.returncode == 1
    problem = "missing or unreadable; wait until the run ends, or give a run directory"
    assert ended.stderr == f"error: {tmp_path}/run_report.json: {problem}\n"


def test_a_non_zero_exit_code_is_no_failure_when_the_last_checkpoint_is_complete(
    make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    record, run_dir = tmp_path / "record.json", tmp_path / "run"
    assert ended_record(record, run_dir, returncode=0) is None
    record.write_text('{"steps": 20}')
    make_checkpoint(run_dir, 10)
    assert ended_record(record, run_dir, returncode=1) is None
    assert ended_record(record, run_dir, returncode=0) == {"steps": 20}
    last = make_checkpoint(run_dir, 20)
    assert ended_record(record, run_dir, returncode=1) == {"steps": 20}
    (last / "optimizer.pt").unlink()
    assert ended_record(record, run_dir, returncode=1) is None


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


def test_the_ranks_get_what_follows_from_the_gpus_and_no_link_is_needed(tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"  # a stand-in: two GPUs without NVLink
    table = "\\tGPU0\\tGPU1\\nGPU0\\tX\\tPHB\\nGPU1\\tPHB\\tX\\n"
    driver.write_text(f'#!/bin/sh\ncase "$1" in topo) printf "{table}" ;; *) printf "A10\\nA10\\n" ;; esac\n')
    driver.chmod(0o755)
    plugin = tmp_path / "ends_at_once.py"
    plugin.write_text(
        "import os, pathlib\n"
        "pathlib.Path(__file__).with_name('seen').write_text(os.environ['NCCL_NVLS_ENABLE'])\n"
        "os._exit(3)\n"
    )
    (tmp_path / "rows.jsonl").write_text("{}\n")
    model = {"model": "org/model", "dataset": str(tmp_path / "rows.jsonl"), "external_plugins": [str(plugin)]}
    config = write_config(tmp_path, **model, use_cpu=True, ddp_backend="gloo", ENV={"NPROC_PER_NODE": 2})
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
    command = [str(Path(sys.executable).parent / "vlm-sft"), "train", str(config), "--gpus", "2"]
    command += ["--links", "/dev/null/by_date"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert ended.returncode == 1
    assert "NVLink: does not connect the GPUs of this node; NCCL_NVLS_ENABLE is set to 0\n" in ended.stderr
    assert (tmp_path / "seen").read_text() == "0"
    assert "/dev/null/by_date: no links to the run directory there: Not a directory\n" in ended.stderr
