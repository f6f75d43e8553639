"""Links with release, date and hash, for people."""

import shutil
from datetime import date
from pathlib import Path

from vlm_sft.runs.readable_links import link_run

FIRST, SECOND = date(2026, 1, 31), date(2026, 2, 1)


def run(outputs: Path, release: str, name: str) -> Path:
    folder = outputs / release / name
    folder.mkdir(parents=True)
    return folder


def links(outputs: Path) -> dict[str, str]:
    return {link.name: str(link.readlink()) for link in sorted((outputs / "by_date").iterdir())}


def test_a_run_is_found_by_its_date_and_as_the_latest(tmp_path: Path) -> None:
    dated = link_run(tmp_path / "by_date", run(tmp_path, "fire-bc", "1a2b3c4d"), FIRST)
    assert dated == tmp_path / "by_date" / "2026-01-31_fire-bc_1a2b3c4d"
    assert dated.resolve() == tmp_path / "fire-bc" / "1a2b3c4d"
    link_run(tmp_path / "by_date", run(tmp_path, "fire-bc", "aaaaaaaa"), SECOND)
    assert links(tmp_path) == {
        "2026-01-31_fire-bc_1a2b3c4d": "../fire-bc/1a2b3c4d",
        "2026-02-01_fire-bc_aaaaaaaa": "../fire-bc/aaaaaaaa",
        "latest_fire-bc": "../fire-bc/aaaaaaaa",
    }


def test_a_resumed_run_keeps_the_date_of_its_first_start(tmp_path: Path) -> None:
    folder = run(tmp_path, "fire-bc", "1a2b3c4d")
    link_run(tmp_path / "by_date", folder, FIRST)
    assert link_run(tmp_path / "by_date", folder, SECOND).name == "2026-01-31_fire-bc_1a2b3c4d"
    assert len(links(tmp_path)) == 2


def test_links_to_deleted_runs_go_and_those_of_other_releases_stay(tmp_path: Path) -> None:
    gone, other = run(tmp_path, "bc", "1a2b3c4d"), run(tmp_path, "fire-bc", "1a2b3c4d")
    for folder in (gone, other):
        link_run(tmp_path / "by_date", folder, FIRST)
    shutil.rmtree(gone)
    link_run(tmp_path / "by_date", run(tmp_path, "bc", "bbbbbbbb"), SECOND)
    assert links(tmp_path) == {
        "2026-01-31_fire-bc_1a2b3c4d": "../fire-bc/1a2b3c4d",
        "2026-02-01_bc_bbbbbbbb": "../bc/bbbbbbbb",
        "latest_bc": "../bc/bbbbbbbb",
        "latest_fire-bc": "../fire-bc/1a2b3c4d",
    }


def test_a_copied_claim_keeps_its_links(tmp_path: Path) -> None:
    link_run(tmp_path / "a" / "by_date", run(tmp_path / "a", "bc", "1a2b3c4d"), FIRST)
    (tmp_path / "a").rename(tmp_path / "b")
    assert (tmp_path / "b" / "by_date" / "latest_bc").is_dir()
