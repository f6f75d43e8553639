"""Which checkpoint a run resumes from."""

from collections.abc import Callable
from pathlib import Path

import pytest
from vlm_sft.train.checkpoint import incomplete, newest_complete

MakeCheckpoint = Callable[..., Path]


def test_the_newest_complete_checkpoint_is_found_by_number_not_by_name(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    for step in (90, 100):
        make_checkpoint(tmp_path, step)
    assert newest_complete(tmp_path, 2) == (tmp_path / "checkpoint-100", [])


def test_a_run_without_checkpoints_starts_anew(tmp_path: Path) -> None:
    assert newest_complete(tmp_path / "not-there", 2) == (None, [])


def test_merged_weights_and_links_are_no_checkpoints(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path, 10)
    (tmp_path / "checkpoint-10-merged").mkdir()
    (tmp_path / "last-checkpoint").symlink_to(made)
    assert newest_complete(tmp_path, 2) == (made, [])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("trainer_state.json", "trainer_state.json is missing or cut off"),
        ("optimizer.pt", "optimizer.pt is missing"),
        ("scheduler.pt", "scheduler.pt is missing"),
        ("rng_state_1.pth", "rng_state_1.pth is missing"),
        ("adapter_model.safetensors", "no weights"),
    ],
)
def test_a_checkpoint_that_lacks_a_file_is_passed_over(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, name: str, problem: str
) -> None:
    older, newer = make_checkpoint(tmp_path, 10), make_checkpoint(tmp_path, 20)
    (newer / name).unlink()
    assert newest_complete(tmp_path, 2) == (older, [f"checkpoint-20: {problem}"])


@pytest.mark.parametrize("kept_bytes", [0, 7, 20, 100])
def test_cut_off_weights_are_seen_without_reading_them(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kept_bytes: int
) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    weights = checkpoint / "adapter_model.safetensors"
    assert incomplete(checkpoint, 2) is None
    weights.write_bytes(weights.read_bytes()[:kept_bytes])
    assert incomplete(checkpoint, 2) == "adapter_model.safetensors is cut off"


def test_a_state_of_another_step_or_of_no_shape_is_not_trusted(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    for text in ('{"global_step": 9}', "[]", '{"global_step": '):
        (checkpoint / "trainer_state.json").write_text(text)
        assert incomplete(checkpoint, 2) in {
            "trainer_state.json is of another step",
            "trainer_state.json is missing or cut off",
        }


def test_sharded_states_need_no_safetensors(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 10)
    (checkpoint / "adapter_model.safetensors").unlink()
    (checkpoint / "optimizer.pt").unlink()
    (checkpoint / "global_step10").mkdir()
    assert incomplete(checkpoint, 2) is None


def test_a_single_process_has_one_random_state_without_a_number(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = make_checkpoint(tmp_path, 10, world_size=1)
    assert incomplete(checkpoint, 1) is None
    assert incomplete(checkpoint, 2) == "rng_state_0.pth is missing"
