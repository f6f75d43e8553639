"""Inside one run: progress, duplicates, one lookup per image."""

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from PIL import Image
from vlm_sft.datasets.conversation import Conversation, Turn
from vlm_sft.datasets.dataset import Adapter
from vlm_sft.datasets.fire import FIRE
from vlm_sft.datasets.readers import json_rows
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.images import pictures
from vlm_sft.images.decode import Judgement
from vlm_sft.prepare import runner
from vlm_sft.prepare.duplicates import DuplicateIds
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.stats import SplitStats
from vlm_sft.prepare.swift_row import SampleFormat


def write_rows(folder: Path, count: int) -> SplitInput:
    answers = [{"role": "student", "value": "a"}]
    rows: list[Any] = [
        {"id": n, "image": f"coco/{n % 3}.jpg", "question": "q", "conversations": answers} for n in range(count)
    ]
    path = folder / "FIRE-train-100K.json"
    path.write_text(json.dumps(rows))
    return SplitInput("train", (path,), {})


def test_progress_is_logged_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRESS_S", 0)
    monkeypatch.setattr(json_rows.parts, "__defaults__", (2000,))
    logged: list[str] = []
    runner.Preparation(
        FIRE, [write_rows(tmp_path, 70)], Settings(SampleFormat(), skip_images=True), tmp_path / "out", logged.append
    ).run()
    counts = [int(line.split()[1]) for line in logged]
    assert logged == [f"train: {rows} rows read, {rows} written, 0 dropped" for rows in counts]
    assert len(counts) > 2
    assert counts == sorted(counts)
    assert counts[-1] == 70


def test_an_image_is_decoded_once_however_many_rows_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        (tmp_path / "coco").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "coco" / f"{n}.jpg")
    decoded: list[str] = []
    original = pictures.judge

    def record(file: BinaryIO) -> Judgement:
        assert threading.current_thread() is not threading.main_thread(), "images are looked up in parallel"
        decoded.append(Path(file.name).name)
        return original(file)

    monkeypatch.setattr(pictures, "judge", record)
    settings = Settings(SampleFormat(), image_roots=(tmp_path,), workers=1)
    stats = runner.Preparation(FIRE, [write_rows(tmp_path, 100)], settings, tmp_path / "out", lambda _: None).run()
    assert stats["written"] == 100
    assert sorted(decoded) == ["0.jpg", "1.jpg", "2.jpg"]


def test_rows_without_an_image_and_with_several_images_are_counted(tmp_path: Path) -> None:
    def parse(row: object) -> Conversation:
        assert isinstance(row, dict)
        return Conversation("", "web", tuple(row["images"]), "q", (Turn("a"),))

    path = tmp_path / "rows.jsonl"
    path.write_text('{"images": []}\n{"images": ["1.jpg", "2.jpg"]}\n')
    dataset, settings = (
        replace(FIRE, name="pairs", adapter=lambda: Adapter(parse)),
        Settings(SampleFormat(), skip_images=True),
    )
    out = tmp_path / "out"
    stats = runner.Preparation(dataset, [SplitInput("train", (path,), {})], settings, out, lambda _: None).run()
    assert stats["splits"]["train"]["sources"]["web"] == {
        "rows": 2,
        "written": 2,
        "images_found": 2,
        "images_missing": 0,
    }
    written = [json.loads(line) for line in (out / "pairs_bc_train.jsonl").read_text().splitlines()]
    # A line with images comes first: pyarrow takes the type of `images` from the first lines.
    assert [sample["messages"][0]["content"] for sample in written] == ["<image><image>\nq", "q"]
    assert [sample["images"] for sample in written] == [["1.jpg", "2.jpg"], []]


def test_duplicate_ids_are_counted_as_with_a_set() -> None:
    generator = random.Random(7)
    ids = [str(generator.randrange(5000)) for _ in range(20_000)]
    duplicates = DuplicateIds()
    for row_id in [*ids, "", ""]:
        duplicates.add(row_id)
    assert duplicates.count() == len(ids) - len(set(ids))


def test_lost_rows_raise_an_error() -> None:
    stats = SplitStats(rows_in=2, written=1)
    with pytest.raises(ValueError, match="rows are lost: 2 in, 1 written"):
        stats.as_json()
