"""The check passes on CPU processes that can communicate, and names the phase that fails where they cannot."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from vlm_sft.ddp_check import run
from vlm_sft.ddp_check.synthetic import Synthetic
from vlm_sft.errors import UserError

DATA = Synthetic(samples=512, features=16, classes=3, epochs=1, batch=64, learning_rate=3e-3, seed=1)
LAST = "error: ddp-check: failed; the first line above with `error: rank` names the phase\n"


def ddp_check(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "vlm-sft", "ddp-check", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})


def test_two_processes_form_one_group_and_train_one_model() -> None:
    done = ddp_check("--processes", "2")
    assert done.returncode == 0, done.stderr
    assert re.sub(r"\d+\.\d+", "N", done.stdout) == (
        "processes      2 on 1 node (gloo)\n"
        "one group      an all-reduce of ones gave 2\n"
        "bus bandwidth  N GiB/s (all-reduce of 64 MiB in N ms)\n"
        "data           4096 samples, 128 features, 4 classes, seed 42\n"
        "batch          [256, 128] -> [256, 4] on each process\n"
        "epochs         2, each 8 steps of 512 samples; 0 left out\n"
        "learning rate  N (Adam)\n"
        "weights        the same on all ranks\n"
        "result         passed: loss N -> N in 16 DDP steps\n"
    )
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "device",
        "rendezvous",
        "all-reduce",
        "DDP",
        "epoch 1 of 2",
        "epoch 2 of 2",
    ]


def losses(done: subprocess.CompletedProcess[str]) -> list[float]:
    """Return the loss of each epoch, then those before and after training."""
    assert done.returncode == 0, done.stderr
    return [
        float(number)
        for number in re.findall(r"loss (\S+)|-> (\S+) in", done.stderr + done.stdout)
        for number in number
        if number
    ]


def test_two_processes_train_as_one_with_twice_the_batch() -> None:
    same = ("--samples", "1000", "--features", "20", "--classes", "5", "--epochs", "3", "--seed", "7")
    one = ddp_check("--processes", "1", "--batch", "64", "--learning-rate", "1e-2", *same)
    two = ddp_check("--processes", "2", "--batch", "32", "--learning-rate", "1e-2", *same)
    assert losses(one) == pytest.approx(losses(two), abs=2e-4)
    assert losses(one) == sorted(losses(one)[:3], reverse=True) + losses(one)[3:]
    assert losses(one)[3] > 1.5 > 1.0 > losses(one)[4]
    assert "epochs         3, each 15 steps of 64 samples; 40 left out\n" in one.stdout
    assert "batch          [32, 20] -> [32, 5] on each process\n" in two.stdout
    other = ddp_check("--processes", "1", "--batch", "64", "--learning-rate", "1e-2", *same[:-1], "8")
    assert losses(other) != pytest.approx(losses(one), abs=2e-4)


def test_options_that_make_no_training_are_reported_at_once() -> None:
    wrong = ("--features", "0", "--classes", "1", "--epochs", "0", "--learning-rate", "-0.1", "--seed", "-1")
    done = ddp_check("--processes", "3", "--samples", "700", *wrong)
    assert (done.returncode, done.stdout) == (42, "")
    assert done.stderr == (
        "error: --features: got 0, need at least 1; e.g. 128\n"
        "error: --classes: got 1, need at least 2; e.g. 4\n"
        "error: --epochs: got 0, need at least 1; e.g. 2\n"
        "error: --learning-rate: got -0.1, need a number above 0; e.g. 0.003\n"
        "error: --seed: got -1, need 0 to 4294967295; e.g. 42\n"
        "error: --samples: got 700, need at least 768 for one step (256 per process x 3 processes); use more samples, "
        "or a smaller --batch\n"
    )
    for rate in ("0", "nan", "inf"):
        assert ddp_check("--learning-rate", rate).stderr == (
            f"error: --learning-rate: got {rate}, need a number above 0; e.g. 0.003\n"
        )
    assert ddp_check("--batch", "0").stderr == "error: --batch: got 0, need at least 1; e.g. 256\n"


def test_a_loss_that_rises_because_of_the_learning_rate_is_not_blamed_on_torch() -> None:
    done = ddp_check("--processes", "1", "--learning-rate", "100", "--epochs", "1")
    assert done.returncode == 1
    (error, last) = done.stderr.splitlines(keepends=True)[-2:]
    assert re.sub(r"\d+\.\d+", "N", error) == (
        "error: rank 0: epoch 1 of 1: the loss did not fall: N -> N; the exchange works; learning rate 100 may be too "
        "high: use N\n"
    )
    assert last == LAST


def test_a_missing_node_fails_in_the_rendezvous() -> None:
    env = {"NNODES": "2", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(run._free_port())}
    done = ddp_check("--processes", "1", "--timeout-s", "1", **env)
    assert done.returncode == 1
    assert re.sub(r"\d+ s", "N s", re.sub(r"after \d+ sec", "after N sec", done.stderr)) == (
        "device: ok after 0.N s\n"
        "error: rank 0: rendezvous: DistStoreError: Timed out after N seconds waiting for clients. 1/2 clients joined; "
        "the cause is name resolution or the network between the pods, not NCCL and not the training script\n" + LAST
    )


def test_a_missing_interface_fails_in_the_all_reduce() -> None:
    done = ddp_check("--processes", "1", GLOO_SOCKET_IFNAME="nosuch0")
    assert done.returncode == 1
    error = done.stderr.splitlines()[2]
    assert error.startswith("error: rank 0: all-reduce: RuntimeError: ")
    assert error.endswith(
        "Unable to find address for: nosuch0; the processes are connected but cannot exchange data: the cause is "
        "gloo, not the training script; look at GLOO_SOCKET_IFNAME"
    )


def test_missing_gpus_fail_in_the_device_phase() -> None:
    done = ddp_check("--gpus", "1", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    (error, last) = done.stderr.splitlines(keepends=True)
    assert re.fullmatch(
        r"error: rank 0: device: torch \S+ sees 0 GPUs, need 1; the cause is the driver or the pod's GPUs; "
        r"look at `nvidia-smi` in the pod\n",
        error,
    )
    assert last == LAST


def test_bus_bandwidth_does_not_depend_on_the_number_of_ranks() -> None:
    assert run.bus_bandwidth_gib_s(1 << 30, 0.5, 2) == 2.0
    assert run.bus_bandwidth_gib_s(1 << 30, 0.5, 4) == 3.0
    assert run.bus_bandwidth_gib_s(1 << 30, 0.5, 1) == 0.0


def rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> run.Group:
    """Replace the rank by a script; return a group of two."""
    (tmp_path / "rank.py").write_text(f"import os, signal, time\nrank = os.environ['RANK']\n{script}\n")
    monkeypatch.setattr(run, "RANK", tmp_path / "rank.py")
    monkeypatch.setattr(run, "FOLLOW_S", 0.3)
    return run.Group(2, 2, 1, "127.0.0.1", 1, "gloo")


def test_a_killed_rank_is_named_and_the_others_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = rank(tmp_path, monkeypatch, "os.kill(os.getpid(), signal.SIGKILL) if rank == '3' else time.sleep(60)")
    logged: list[str] = []
    started_s = time.monotonic()
    with pytest.raises(UserError, match="ddp-check: failed; the first line"):
        run.check(group, DATA, 1, logged.append)
    assert logged == ["error: rank 3: ended by SIGKILL: out of host memory?"]
    assert time.monotonic() - started_s < 30


def test_ranks_that_never_end_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = rank(tmp_path, monkeypatch, "time.sleep(60)")
    monkeypatch.setattr(run, "START_S", 0)
    with pytest.raises(UserError, match=r"ddp-check: failed after 1 s; the first line"):
        run.check(group, DATA, 0.2, print)


def test_only_the_first_node_prints_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.check(rank(tmp_path, monkeypatch, ""), DATA, 1, print) is None


def test_several_nodes_need_the_address_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNODES", "2")
    with pytest.raises(UserError, match="MASTER_ADDR: not set, but NNODES is 2; name the host of the first node"):
        run.group_from_environment(1, "gloo")
    monkeypatch.setenv("NNODES", "two")
    with pytest.raises(UserError, match="NNODES, NODE_RANK, MASTER_PORT: invalid literal"):
        run.group_from_environment(1, "gloo")
