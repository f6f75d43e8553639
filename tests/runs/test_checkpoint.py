"""The checkpoint that a run resumes from."""

from collections.abc import Callable
from pathlib import Path

import pytest
from vlm_sft.runs.checkpoint import (
    INCOMPLETE,
    UNREADABLE,
    free_space,
    incomplete,
    newest_complete,
    older,
    set_aside,
)

MakeCheckpoint = Callable[..., Path]


def test_the_newest_complete_checkpoint_is_found_by_number_not_by_name(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    for step in (90, 100):
        make_checkpoint(tmp_path, step)
    assert newest_complete(tmp_path) == (tmp_path / "checkpoint-100", [])


def test_a_run_without_checkpoints_starts_at_step_0(tmp_path: Path) -> None:
    assert newest_complete(tmp_path / "not-there") == (None, [])


def test_merged_weights_and_links_are_not_checkpoints(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path, 10)
    (tmp_path / "checkpoint-10-merged").mkdir()
    (tmp_path / "last-checkpoint").symlink_to(made)
    assert newest_complete(tmp_path) == (made, [])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("trainer_state.json", "trainer_state.json is missing or truncated"),
        ("optimizer.pt", "optimizer.pt is missing"),
        ("scheduler.pt", "scheduler.pt is missing"),
        ("rng_state_1.pth", "rng_state_1.pth is missing"),
        ("adapter_model.safetensors", "no weights"),
        ("adapter_config.json", "adapter_config.json is missing"),
        ("args.json", "args.json is missing or truncated"),
    ],
)
def test_a_checkpoint_with_a_missing_file_is_skipped(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, name: str, problem: str
) -> None:
    older, newer = make_checkpoint(tmp_path, 10), make_checkpoint(tmp_path, 20)
    (newer / name).unlink()
    assert newest_complete(tmp_path) == (older, [(newer, problem)])


@pytest.mark.parametrize("kept_bytes", [0, 7, 20, 100])
def test_truncated_weights_are_found_without_reading_them(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kept_bytes: int
) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    weights = checkpoint / "adapter_model.safetensors"
    assert incomplete(checkpoint) is None
    weights.write_bytes(weights.read_bytes()[:kept_bytes])
    assert incomplete(checkpoint) == "adapter_model.safetensors is truncated"


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state_1.pth"])
def test_truncated_and_damaged_states_are_found(make_checkpoint: MakeCheckpoint, tmp_path: Path, name: str) -> None:
    older, newer = make_checkpoint(tmp_path, 10), make_checkpoint(tmp_path, 20)
    whole = (newer / name).read_bytes()
    (newer / name).write_bytes(whole[: len(whole) // 2])
    assert newest_complete(tmp_path) == (older, [(newer, f"{name} is truncated")])
    flipped = bytearray(whole)
    flipped[500] ^= 1
    (newer / name).write_bytes(flipped)
    assert newest_complete(tmp_path) == (older, [(newer, f"{name} is damaged: archive/data.pkl")])


def test_a_renamed_checkpoint_is_ignored_by_a_resume_and_by_the_trainers_rotation(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    older_one, newer = make_checkpoint(tmp_path, 10), make_checkpoint(tmp_path, 20)
    assert older(newer) == older_one
    assert older(older_one) is None
    (tmp_path / "incomplete-20").mkdir()  # from an earlier try
    assert set_aside(newer, INCOMPLETE) == tmp_path / "incomplete-20"
    assert (tmp_path / "incomplete-20" / "optimizer.pt").is_file()
    assert newest_complete(tmp_path) == (older_one, [])
    assert list(tmp_path.glob("checkpoint-*")) == [older_one]  # the Trainer's own pattern
    assert set_aside(newer, INCOMPLETE) == tmp_path / "incomplete-20"  # another node has renamed it
    assert (tmp_path / "incomplete-20").is_dir()


def test_only_incomplete_checkpoints_are_deleted_when_space_is_short(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    logged: list[str] = []
    kept = [make_checkpoint(tmp_path, 10), set_aside(make_checkpoint(tmp_path, 20), UNREADABLE)]
    aside = set_aside(make_checkpoint(tmp_path, 30), INCOMPLETE)
    free_space(tmp_path, 0, logged.append)
    assert aside.is_dir()
    free_space(tmp_path, 1e9, logged.append)
    assert logged == [f"less than 1e+09 GiB free: deleting {aside}"]
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_state_of_another_step_or_with_wrong_content_is_not_used(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    for text in ('{"global_step": 9}', "[]", '{"global_step": '):
        (checkpoint / "trainer_state.json").write_text(text)
        assert incomplete(checkpoint) in {
            "trainer_state.json belongs to another step",
            "trainer_state.json is missing or truncated",
        }


def test_sharded_states_need_no_safetensors(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    (checkpoint / "adapter_model.safetensors").unlink()
    (checkpoint / "optimizer.pt").unlink()
    (checkpoint / "global_step10").mkdir()
    assert incomplete(checkpoint) is None


@pytest.mark.parametrize("folder", ["pytorch_model_fsdp_0", "optimizer_0"])
def test_shards_of_fsdp2_without_their_index_are_skipped(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, folder: str
) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    (checkpoint / "adapter_model.safetensors").unlink()
    (checkpoint / "optimizer.pt").unlink()
    for name in ("pytorch_model_fsdp_0", "optimizer_0"):
        (checkpoint / name).mkdir()
        (checkpoint / name / ".metadata").write_bytes(b"x")
    assert incomplete(checkpoint) is None
    (checkpoint / folder / ".metadata").unlink()
    assert incomplete(checkpoint) == f"{folder}/.metadata is missing"


def test_a_single_process_has_one_random_state_without_a_number(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = make_checkpoint(tmp_path, 10, world_size=1)
    assert incomplete(checkpoint) is None
    (checkpoint / "rng_state.pth").unlink()
    assert incomplete(checkpoint) == "rng_state.pth is missing"


@pytest.mark.parametrize("text", ["", "[]", '{"global_world_size": "two"}'])
def test_a_damaged_args_json_is_found(make_checkpoint: MakeCheckpoint, tmp_path: Path, text: str) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    (checkpoint / "args.json").write_text(text)
    assert incomplete(checkpoint) == "args.json is missing or truncated"
