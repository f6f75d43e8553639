"""The outputs are the same bytes with any number of processes and of shards, and after any interruption."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.datasets.fire import FIRE
from vlm_sft.datasets.readers import json_rows
from vlm_sft.datasets.readers.source import locate
from vlm_sft.errors import UserError
from vlm_sft.prepare.runner import Preparation
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.shards import Shard
from vlm_sft.prepare.swift_row import SampleFormat

PROGRAM = [sys.executable, "-m", "vlm_sft", "prepare", "fire", "--skip-images", "--splits", "train"]
PART_BYTES = 4000


def row(number: int, **fields: Any) -> dict[str, Any]:
    answers = [{"role": "student", "value": f"Answer: {number}"}]
    return {"id": f"r{number}", "image": f"coco/{number}.jpg", "question": "q", "conversations": answers} | fields


ROWS = [*[row(n) for n in range(400)], row(7), {"id": "bad"}, *[row(n) for n in range(500, 700)]]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows.parts, "__defaults__", (PART_BYTES,))


def write(folder: Path, rows: Sequence[Any], ending: str = "json") -> Path:
    folder.mkdir(exist_ok=True)
    text = "\n".join(map(json.dumps, rows)) if ending == "jsonl" else json.dumps(rows)
    (folder / f"FIRE-train-100K.{ending}").write_text(text)
    return folder


def preparation(data: Path, out: Path, **settings: Any) -> Preparation:
    form = SampleFormat()
    return Preparation(
        FIRE,
        locate(FIRE, str(data), ("train",)),
        Settings(form, skip_images=True, **settings),
        out,
        lambda _: None,
    )


def made(out: Path) -> tuple[bytes, dict[str, Any]]:
    stats = json.loads((out / "stats.json").read_bytes())
    timed = ("seconds", "rows_per_s")
    return (out / "fire_bc_train.jsonl").read_bytes(), {
        name: value for name, value in stats["splits"]["train"].items() if name not in timed
    }


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_any_number_of_processes_and_shards_gives_the_same_bytes_and_counts(ending: str, tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS, ending)
    preparation(data, tmp_path / "one", workers=1).run()
    expected = made(tmp_path / "one")
    assert expected[1]["rows_in"] == len(ROWS)
    assert expected[1]["duplicate_ids"] == 1
    assert expected[1]["drop_examples"]["no_image"][0]["row"] == 402
    preparation(data, tmp_path / "three", workers=3).run()
    assert made(tmp_path / "three") == expected
    for number in (2, 0, 3, 1):
        stats = preparation(data, tmp_path / "shards", workers=1).run_shard(Shard(number, 4))
        assert (stats is not None) == (number == 1), "the last shard publishes"
    assert made(tmp_path / "shards") == expected
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == ["fire_bc_train.jsonl", "stats.json"]


def test_more_shards_than_parts(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS[:3])
    preparation(data, tmp_path / "one").run()
    for number in range(5):
        preparation(data, tmp_path / "shards").run_shard(Shard(number, 5))
    assert made(tmp_path / "shards") == made(tmp_path / "one")


# The first key of a row is inside it, too.
NESTED = [row(n, raw=[{"id": "x", "n": m} for m in range(80)]) for n in range(60)]
BIG = [*ROWS[:60], row(60, big=10**30), *ROWS[61:300]]  # orjson refuses the number


@pytest.mark.parametrize("rows", [NESTED, BIG], ids=["nested", "big number"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_wrong_cut_is_noticed_and_the_rest_is_read_in_order(
    rows: list[Any], workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write(tmp_path / "data", rows)
    preparation(data, tmp_path / "out", workers=workers, save_drops=True).run()
    lines, counts = made(tmp_path / "out")
    assert [json.loads(line)["id"] for line in lines.splitlines()] == [one["id"] for one in rows]
    assert counts["rows_in"] == len(rows)


def test_a_wrong_cut_fails_a_shard_with_the_way_out(tmp_path: Path) -> None:
    data = write(tmp_path / "data", NESTED)
    with pytest.raises(UserError, match=r"cannot be cut into parts.*prepare.shards: 1"):
        _ = [preparation(data, tmp_path / "out").run_shard(Shard(number, 3)) for number in range(3)]
    assert not (tmp_path / "out" / "stats.json").exists()


def test_a_shard_with_other_settings_does_not_count(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS)
    preparation(data, tmp_path / "out").run_shard(Shard(0, 2))
    assert preparation(data, tmp_path / "out", max_drop_share=0.5).run_shard(Shard(1, 2)) is None
    stats = preparation(data, tmp_path / "out", max_drop_share=0.5).run_shard(Shard(0, 2))
    assert stats is not None
    assert stats["written"] == len(ROWS) - 1


def test_a_pod_that_starts_again_after_the_end_leaves_the_outputs_as_they_are(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS)
    for number in range(2):
        preparation(data, tmp_path / "out").run_shard(Shard(number, 2))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = preparation(data, tmp_path / "out").run_shard(Shard(0, 2))
    assert again == json.loads(before["stats.json"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_former_preparation_is_no_marker_of_a_shard(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS)
    preparation(data, tmp_path / "out").run()
    assert preparation(data, tmp_path / "out", max_drop_share=0.5).run_shard(Shard(0, 2)) is None
    assert not (tmp_path / "out" / "stats.json").exists()


def test_a_cut_off_part_of_a_shard_is_made_again(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS)
    preparation(data, tmp_path / "one").run()
    preparation(data, tmp_path / "out").run_shard(Shard(0, 2))
    part = tmp_path / "out" / "fire_bc_train.jsonl.shard-0-of-2"
    part.write_bytes(part.read_bytes()[:-9])
    assert preparation(data, tmp_path / "out").run_shard(Shard(1, 2)) is None
    preparation(data, tmp_path / "out").run_shard(Shard(0, 2))
    assert made(tmp_path / "out") == made(tmp_path / "one")


def test_a_full_disk_is_one_error_line_and_leaves_nothing(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS * 50)
    out = tmp_path / "out"

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    command = [*PROGRAM, "--input", str(data), "--output-dir", str(out)]
    ended = subprocess.run(command, preexec_fn=little_room, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert "File too large" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(out.iterdir()) == []


def has_ended(group: int) -> bool:
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("after_s", [0.3, 0.6, 0.9])
def test_a_killed_run_leaves_nothing_under_a_final_name_and_no_process(after_s: float, tmp_path: Path) -> None:
    data = write(tmp_path / "data", ROWS * 100)
    preparation(data, tmp_path / "one").run()
    out = tmp_path / "out"
    command = [*PROGRAM, "--input", str(data), "--output-dir", str(out), "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(after_s)
    process.kill()
    process.wait()
    assert has_ended(process.pid), "the workers end with their parent"
    if not (out / "stats.json").exists():
        left = {path.name for path in out.iterdir()} if out.exists() else set()
        assert not {name for name in left if not name.endswith(".tmp")} - {"fire_bc_train.jsonl"}
    subprocess.run(command, check=True, capture_output=True)
    assert made(out)[0] == made(tmp_path / "one")[0]
    assert sorted(path.name for path in out.iterdir()) == ["fire_bc_train.jsonl", "stats.json"]
