"""Inside one run: progress, duplicates, images asked for once."""

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from vlm_sft.datasets.fire import rows as fire
from vlm_sft.datasets.readers.source import SplitFile
from vlm_sft.images import resolve
from vlm_sft.prepare import runner
from vlm_sft.prepare.duplicates import DuplicateIds
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.stats import SplitStats
from vlm_sft.prepare.swift_row import Form


def write_rows(folder: Path, count: int) -> SplitFile:
    answers = [{"role": "student", "value": "a"}]
    rows: list[Any] = [
        {"id": n, "image": f"coco/{n % 3}.jpg", "question": "q", "conversations": answers} for n in range(count)
    ]
    path = folder / "FIRE-train-100K.json"
    path.write_text(json.dumps(rows))
    return SplitFile("train", path, {})


def test_progress_is_told_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRESS_S", 0)
    said: list[str] = []
    runner.prepare(
        fire.parse, [write_rows(tmp_path, 70)], Settings(Form(), skip_images=True), tmp_path / "out", said.append
    )
    assert said == [f"train: {rows} rows read, {rows} written, 0 dropped" for rows in (32, 64, 70)]


def test_an_image_is_decoded_once_however_many_rows_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        (tmp_path / "coco").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "coco" / f"{n}.jpg")
    decoded: list[str] = []
    whole = resolve.decode_problem

    def noted(path: str) -> str | None:
        assert threading.current_thread() is not threading.main_thread(), "images are looked up side by side"
        decoded.append(Path(path).name)
        return whole(path)

    monkeypatch.setattr(resolve, "decode_problem", noted)
    settings = Settings(Form(), image_roots=(tmp_path,))
    stats = runner.prepare(fire.parse, [write_rows(tmp_path, 100)], settings, tmp_path / "out", lambda _: None)
    assert stats["written"] == 100
    assert sorted(decoded) == ["0.jpg", "1.jpg", "2.jpg"]


def test_duplicate_ids_are_counted_like_a_set_counts_them() -> None:
    generator = random.Random(7)
    ids = [str(generator.randrange(5000)) for _ in range(20_000)]
    duplicates = DuplicateIds()
    for row_id in [*ids, "", ""]:
        duplicates.add(row_id)
    assert duplicates.count() == len(ids) - len(set(ids))


def test_rows_that_go_astray_are_our_bug() -> None:
    stats = SplitStats(rows_in=2, written=1)
    with pytest.raises(ValueError, match="rows went astray: 2 in, 1 written"):
        stats.as_json()
