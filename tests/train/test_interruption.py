"""Real interruptions: ms-swift on two CPU ranks, stopped or killed, ends like an uninterrupted run."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from vlm_sft.evaluate.samples import read_samples
from vlm_sft.runs.checkpoint import newest_complete

BIN = Path(sys.executable).parent
STEPS = 40
START_S = 900  # a start needs 25 s of CPU per rank, mainly imports; a busy machine takes far longer


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with its tiny model, prepared."""
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([BIN / "vlm-sft", "sample", folder], check=True)
    prepare = [BIN / "vlm-sft", "prepare", "fire", "--input", folder / "fire", "--output-dir", folder / "fire_bc"]
    subprocess.run([*prepare, "--image-root", folder / "images"], check=True)
    return folder


def write_config(sample: Path, run_dir: Path, **change: object) -> Path:
    config = {
        "model": str(sample / "model"),
        "model_type": "qwen3_vl",
        "template": "qwen3_vl",
        "dataset": [str(sample / "fire_bc" / "fire_bc_train.jsonl")],
        "split_dataset_ratio": 0.1,
        "tuner_type": "lora",
        "target_modules": "all-linear",
        "torch_dtype": "float32",
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "max_steps": STEPS,
        "max_length": 4096,
        "learning_rate": 0.01,
        "save_steps": 1000,
        "dataloader_num_workers": 0,
        "use_cpu": True,
        "ddp_backend": "gloo",
        "check_model": False,
        "use_hf": True,
        "add_version": False,
        "output_dir": str(run_dir),
        "ENV": {"NPROC_PER_NODE": 2, "CUDA_VISIBLE_DEVICES": "", "IMAGE_MAX_TOKEN_NUM": 16},
        **change,
    }
    path = run_dir.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config))
    return path


def start(config: Path, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([BIN / "vlm-sft", "train", config], env={**os.environ, "HF_HUB_OFFLINE": "1", **env})


def wait_for_log(run_dir: Path, lines: int) -> None:
    """Wait until ms-swift's log has this many lines: it gets one every five optimizer steps."""
    log = run_dir / "logging.jsonl"
    deadline = time.monotonic() + START_S
    while not log.is_file() or len(log.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def report(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "run_report.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def uninterrupted(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of the run without an interruption: two ranks on one node."""
    run_dir = tmp_path_factory.mktemp("reference") / "uninterrupted"
    assert start(write_config(sample, run_dir)).wait(timeout=START_S) == 0
    return report(run_dir)


def assert_same_end(run_dir: Path, uninterrupted: dict[str, Any], stopped: dict[str, Any]) -> None:
    resumed = report(run_dir)
    assert resumed["resumed_from"] == stopped["checkpoint"]
    assert resumed["steps"] == uninterrupted["steps"] == STEPS
    assert resumed["ddp"]["weights_sha256"] == uninterrupted["ddp"]["weights_sha256"]
    assert resumed["tokens"] == uninterrupted["tokens"]


def test_a_signal_before_the_first_import_is_not_lost(sample: Path, tmp_path: Path) -> None:
    trainer = start(write_config(sample, tmp_path / "run"))
    deadline = time.monotonic() + 60
    while not blocked_signals(trainer.pid) & 1 << signal.SIGTERM - 1:
        assert time.monotonic() < deadline
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(timeout=60) == 75
    assert not (tmp_path / "run" / "run_report.json").exists()


def test_arguments_that_ms_swift_refuses_are_a_config_error(sample: Path, tmp_path: Path) -> None:
    trainer = start(write_config(sample, tmp_path / "run", warmup_ratio=0.1, warmup_steps=5))
    assert trainer.wait(timeout=START_S) == 42


def blocked_signals(pid: int) -> int:
    """Return the mask of the signals that a process blocks."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("SigBlk:")[1].split()[0], 16)


def test_a_run_stopped_by_sigterm_resumes_to_the_same_adapter(
    sample: Path, uninterrupted: dict[str, Any], tmp_path: Path
) -> None:
    run_dir = tmp_path / "interrupted"
    config = write_config(sample, run_dir)
    trainer = start(config)
    wait_for_log(run_dir, 2)
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(timeout=120) == 75
    stopped = report(run_dir)
    assert stopped["status"] == "stopped"
    assert 0 < stopped["steps"] < STEPS
    assert stopped["checkpoint"] == str(run_dir / f"checkpoint-{stopped['steps']}")

    assert start(config).wait(timeout=START_S) == 0
    assert_same_end(run_dir, uninterrupted, stopped)
    rows = len((sample / "fire_bc" / "fire_bc_train.jsonl").read_text().splitlines())
    split = read_samples([str(run_dir / "val_dataset.jsonl")], "last")  # ms-swift writes it at each start
    assert len(split) == int(0.1 * rows)
    assert all(sample.images for sample in split)


def test_two_nodes_stop_together_and_both_end_when_one_is_lost(
    sample: Path, uninterrupted: dict[str, Any], tmp_path: Path
) -> None:
    run_dir = tmp_path / "nodes"
    env = {"NNODES": 2, "NPROC_PER_NODE": 1, "CUDA_VISIBLE_DEVICES": "", "IMAGE_MAX_TOKEN_NUM": 16}
    config = write_config(sample, run_dir, ENV=env)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(probe.getsockname()[1])}

    def start_both() -> list[subprocess.Popen[bytes]]:
        return [start(config, NODE_RANK=rank, **address) for rank in ("0", "1")]

    nodes = start_both()
    wait_for_log(run_dir, 2)
    nodes[1].send_signal(signal.SIGTERM)  # one pod is evicted: both save and stop
    assert [node.wait(timeout=120) for node in nodes] == [75, 75]
    stopped = report(run_dir)
    assert stopped["status"] == "stopped"
    assert stopped["checkpoint"] == str(run_dir / f"checkpoint-{stopped['steps']}")

    lines = len((run_dir / "logging.jsonl").read_text().splitlines())
    nodes = start_both()
    wait_for_log(run_dir, lines + 1)
    lost = psutil.Process(nodes[0].pid)
    for process in [lost, *lost.children(recursive=True)]:  # torchrun and each rank have their own session
        process.kill()
    killed_s = time.monotonic()
    assert nodes[1].wait(timeout=120) == 1
    assert time.monotonic() - killed_s < 75  # 30 s for the ranks to notice it, 30 s for torchrun to end them
    assert nodes[0].wait() == -signal.SIGKILL

    assert [node.wait(timeout=START_S) for node in start_both()] == [0, 0]
    resumed = report(run_dir)
    assert resumed["resumed_from"] == stopped["checkpoint"]
    assert (resumed["steps"], resumed["tokens"]) == (STEPS, uninterrupted["tokens"])
    # Not bitwise equal: with one process per node, torchrun uses all threads, and the order of additions differs.
    assert resumed["last_loss"] == pytest.approx(uninterrupted["last_loss"], rel=1e-4)
    assert resumed["ddp"]["same_weights_on_all_ranks"]


FAULTS = """\
import resource
import torch
from swift.callbacks import TrainerCallback, callbacks_map


class Faults(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 7 and not args.resume_from_checkpoint:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        if state.global_step == 7:  # no file may be larger than 64 KiB from now on; the optimizer's is
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


callbacks_map["faults"] = Faults
"""


def test_out_of_memory_and_a_full_disk_are_reported_in_one_line_and_lose_no_checkpoint(
    sample: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "faults"
    (tmp_path / "faults.py").write_text(FAULTS)
    config = write_config(
        sample, run_dir, save_steps=5, save_total_limit=1, max_steps=12, callbacks=["faults"],
        external_plugins=[str(tmp_path / "faults.py")],
        ENV={"NPROC_PER_NODE": 1, "CUDA_VISIBLE_DEVICES": "", "IMAGE_MAX_TOKEN_NUM": 16},
    )  # fmt: skip

    def fail() -> list[str]:
        ended = subprocess.run(
            [BIN / "vlm-sft", "train", config], env={**os.environ, "HF_HUB_OFFLINE": "1"}, stderr=subprocess.PIPE,
            text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert ended.returncode == 1, ended.stderr
        return [line for line in ended.stderr.splitlines() if line.startswith("error: ")]

    (line,) = fail()
    assert line.startswith("error: GPU memory: rank 0 ran out of it at a peak of ")
    assert line.endswith("`genvalues memory` estimates each: CUDA out of memory. Tried to allocate 20.00 MiB.")
    (line,) = fail()
    assert line.startswith(f"error: output_dir: rank 0 could not write to {run_dir}: ")
    assert newest_complete(run_dir)[0] == run_dir / "checkpoint-5"
    assert (run_dir / "checkpoint-10").is_dir()  # incomplete
