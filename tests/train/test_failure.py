"""Why a trainer failed, in one line."""

import json
from pathlib import Path

import pytest
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.train.failure import (
    Kills,
    RankFailure,
    explain,
    fails_again,
    read_failures,
    read_kills,
    refused_arguments,
    unreadable_checkpoint,
)

CONFIG = SwiftConfig(
    Path("train.yaml"), {"output_dir": "/outputs/fire", "per_device_train_batch_size": 2, "max_length": 8192}, {}
)
NONE = Kills(0, None)


def failure(rank: int, kind: str, message: str, *functions: str, time_s: float = 0) -> RankFailure:
    return RankFailure(rank, kind, message, ["sft_main", *functions], time_s, peak_memory_gib=78.94, free_gib=0.01)


LOST_PEER = failure(0, "RuntimeError", "[gloo/transport/tcp/pair.cc:538] Connection closed by peer [10.0.0.1]:1")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 MiB."),
        ("RuntimeError", "CUDA error: out of memory"),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_gpu_memory_is_reported_with_its_settings_even_if_another_rank_failed_first(kind: str, message: str) -> None:
    assert explain(CONFIG, 1, [LOST_PEER, failure(3, kind, message)], NONE, None) == (
        "GPU memory: rank 3 ran out of it at a peak of 78.9 GiB with per_device_train_batch_size 2 and max_length "
        "8192; lower train.batchSizePerGpu and raise the accumulation, lower max_length, or shard (train.sharding: "
        f"zero3); `genvalues memory` estimates each: {message}"
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("OSError", "[Errno 28] No space left on device: '/outputs/fire/x'"),
        ("SafetensorError", "Error while serializing: I/O error: No space left on device (os error 28)"),
        ("RuntimeError", "[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/0"),
        ("RuntimeError", "[enforce fail at inline_container.cc:671] . unexpected pos 64768 vs 64660"),
        ("OSError", "[Errno 122] Disk quota exceeded"),
    ],
)
def test_a_full_volume_is_reported_with_the_free_space_and_the_size_of_a_checkpoint(kind: str, message: str) -> None:
    assert explain(CONFIG, 1, [failure(0, kind, message)], NONE, 2.5) == (
        "output_dir: rank 0 could not write to /outputs/fire: 0.01 GiB free, need about 2.50 for a checkpoint; delete "
        "old runs, lower save_total_limit or enlarge the claim; older checkpoints are complete, and the run resumes "
        f"from the newest: {message}"
    )


def test_host_memory_is_reported_from_the_kernels_count() -> None:
    assert explain(CONFIG, 1, [LOST_PEER], Kills(1, 64.0), None) == (
        "host memory: the kernel killed 1 of this container's processes at its limit of 64.0 GiB; raise "
        "train.resources.limits.memory, or lower dataloader_num_workers (now 1 per GPU): shared memory (train.shmSize) "
        "counts as well"
    )


def test_any_other_failure_names_the_rank_that_failed_first(tmp_path: Path) -> None:
    for found in (failure(0, "RuntimeError", "Connection closed by peer", time_s=9), failure(1, "KeyError", "'x'")):
        (tmp_path / f"rank-{found.rank}.json").write_text(json.dumps(vars(found)))
    failures = read_failures(tmp_path)
    assert [found.rank for found in failures] == [1, 0]
    assert explain(CONFIG, 1, failures, NONE, None) == "rank 1 failed: KeyError: 'x'; the full traceback is above"
    assert explain(CONFIG, 2, [], NONE, None) == "ms-swift ended with exit code 2; its own message is above"
    assert explain(CONFIG, -9, [], NONE, None) == "ms-swift ended with SIGKILL; its own message is above"


def test_the_kernels_count_is_read_from_either_version_of_cgroups(tmp_path: Path) -> None:
    assert read_kills(tmp_path) == NONE
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    (old / "memory.limit_in_bytes").write_text("9223372036854771712\n")  # no limit
    assert read_kills(tmp_path) == Kills(3, None)
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 8\noom 1\noom_kill 2\n")
    (tmp_path / "memory.max").write_text("68719476736\n")
    assert read_kills(tmp_path) == Kills(2, 64.0)
    (tmp_path / "memory.max").write_text("max\n")
    assert read_kills(tmp_path) == Kills(2, None)


def test_only_damaged_content_makes_a_checkpoint_unreadable() -> None:
    damaged = failure(1, "UnpicklingError", "invalid load key", "train", "_load_rng_state", "load")
    assert unreadable_checkpoint([LOST_PEER, damaged]) == damaged
    for temporary in (
        failure(1, "OSError", "[Errno 116] Stale file handle", "_load_optimizer_and_scheduler"),
        failure(1, "OutOfMemoryError", "CUDA out of memory", "_load_from_checkpoint"),
        failure(1, "KeyError", "'x'", "training_step"),
    ):
        assert unreadable_checkpoint([temporary]) is None


def test_only_a_verdict_on_the_arguments_is_a_config_error() -> None:
    refused = failure(1, "ValueError", "`warmup_ratio` and `warmup_steps` cannot both be set.", "_parse_args")
    assert refused_arguments([LOST_PEER, refused]) == refused
    assert explain(CONFIG, 1, [refused], NONE, None) == (
        "train.args: ms-swift refuses them: `warmup_ratio` and `warmup_steps` cannot both be set.; correct them, "
        "the run is not retried"
    )
    for other in (
        failure(1, "ValueError", "odd row", "_prepare_dataset"),
        failure(1, "JSONDecodeError", "Expecting value", "_parse_args"),
        failure(1, "OSError", "We couldn't connect to 'https://huggingface.co'", "_parse_args"),
        failure(1, "ValueError", "no such revision", "_parse_args", "snapshot_download"),
        failure(1, "ValueError", "Your setup doesn't support bf16/gpu.", "_parse_args", "_validate_args"),
    ):
        assert refused_arguments([other]) is None


def test_a_diverged_run_and_a_refused_one_are_not_retried() -> None:
    assert fails_again([failure(1, "NonFiniteError", "step 2: the gradient's norm is nan", "train", "checked")])
    assert fails_again([failure(0, "ValueError", "Target modules {'x'} not found in the base model", "prepare_model")])
    assert not fails_again([failure(0, "ValueError", "too large a batch", "train", "training_step")])
    assert not fails_again([])
