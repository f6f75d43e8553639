"""Two trainers never write into one run directory at once."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from vlm_sft.train import occupied
from vlm_sft.train.occupied import wait_until_free


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Callable[[str, float], None]]:
    """A `wait` that sleeps for milliseconds, and what was waited for."""
    monkeypatch.setattr(occupied, "BEAT_S", 0.002)
    monkeypatch.setattr(occupied, "POLL_S", 0.05)
    monkeypatch.setattr(occupied, "DEAD_AFTER_S", 0.2)
    said: list[str] = []

    def wait(missing: str, pause_s: float) -> None:
        said.append(missing)
        threading.Event().wait(pause_s)

    return said, wait


def test_a_directory_without_a_trainer_is_free_at_once(
    waits: tuple[list[str], Callable[[str, float], None]], tmp_path: Path
) -> None:
    said, wait = waits
    wait_until_free(tmp_path / "missing", wait)
    with occupied.occupied(tmp_path):
        pass
    wait_until_free(tmp_path, wait)
    assert (said, list(tmp_path.iterdir())) == ([], [])


def test_a_new_trainer_waits_until_the_old_one_ends(
    waits: tuple[list[str], Callable[[str, float], None]], tmp_path: Path
) -> None:
    said, wait = waits
    with occupied.occupied(tmp_path):
        while not (tmp_path / occupied.FILE).exists():
            pass
        waiter = threading.Thread(target=wait_until_free, args=(tmp_path, wait))
        waiter.start()
        while len(said) < 10:  # longer than a silent trainer would keep it
            assert waiter.is_alive()
    waiter.join(60)
    assert not waiter.is_alive()
    assert set(said) == {"another trainer still saves into this run directory"}


def test_a_killed_trainer_keeps_nothing(waits: tuple[list[str], Callable[[str, float], None]], tmp_path: Path) -> None:
    said, wait = waits
    (tmp_path / occupied.FILE).write_text("0123 7")
    wait_until_free(tmp_path, wait)
    assert len(said) == 4
