"""The link to the best checkpoint of a run."""

from pathlib import Path

from vlm_sft.runs.best_link import link_best


def test_the_link_is_relative_and_follows_the_best_checkpoint(tmp_path: Path) -> None:
    for step in (5, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        link_best(tmp_path, str(tmp_path / f"checkpoint-{step}"))
        assert (tmp_path / "best").readlink() == Path(f"checkpoint-{step}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "checkpoint-10", "checkpoint-5"]


def test_a_link_to_a_checkpoint_that_is_gone_is_removed(tmp_path: Path) -> None:
    link_best(tmp_path, None)
    (tmp_path / "checkpoint-5").mkdir()
    link_best(tmp_path, "/outputs/x/1a2b3c4d/checkpoint-5")
    assert (tmp_path / "best").is_dir()
    link_best(tmp_path, str(tmp_path / "checkpoint-9"))
    assert not (tmp_path / "best").is_symlink()


def test_a_folder_with_that_name_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    link_best(tmp_path, None)
    assert (tmp_path / "best").is_dir()
