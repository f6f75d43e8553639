"""One case file under tests/data/<dataset>/ for every irregularity of its rows: its row or rows, and their
samples, drop reason or drop reasons.

companion.json is a valid row that is written before each case, because an output must not be empty. Its `format` is
that of the input, by default jsonl. `line` is a row, or several, as the input has it.
"""

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from vlm_sft.cli import main
from vlm_sft.datasets.conversation import CHOICES, REASONS
from vlm_sft.datasets.registry import DATASETS

DATA = Path(__file__).parents[1] / "data"
CASES = [path for name in DATASETS for path in sorted((DATA / name).glob("*.json")) if path.stem != "companion"]


def read(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text())
    return case


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path, tmp_path: Path) -> None:
    case, companion = read(path), read(path.with_name("companion.json"))
    images, out, name = tmp_path / "images", tmp_path / "out", path.parent.name
    images.mkdir()
    for file in [*case["files"], *companion["files"]]:
        target = images / file
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(target, format="PNG" if file.endswith(".png") else "JPEG")
    rows = [case_lines(companion), case_lines(case)]

    def prepare(*rows: str) -> list[Any]:
        source = tmp_path / f"rows.{companion.get('format', 'jsonl')}"
        source.write_text("\n".join(rows))
        given = ["--input", str(source), "--image-root", str(images), "--output-dir", str(out)]
        options = ["--splits", "train", "--max-drop-share", "1", "--save-drops", *case.get("options", [])]
        result = CliRunner().invoke(main, ["prepare", name, *given, *options])
        assert result.exit_code == 0, result.output
        return lines(out / DATASETS[name].output_name("train"))

    of_companion = prepare(rows[0])
    if not case.get("options"):
        assert [without_id(sample) for sample in of_companion] == samples_of(companion, images)
    expected = samples_of(case, images)
    written = prepare(*rows)
    assert [list(sample) for sample in written] == [["id", "messages", "images"]] * len(written)
    shown = [
        sample if "id" in case_sample else without_id(sample)
        for sample, case_sample in zip_longest(written[len(of_companion) :], expected, fillvalue={})
    ]
    assert shown == expected
    drops = case.get("drops", [case["drop"]] if "drop" in case else [])
    assert [drop["reason"] for drop in lines(out / "dropped_train.jsonl")] == drops


def case_lines(case: dict[str, Any]) -> str:
    return case.get("line") or "\n".join(json.dumps(row) for row in case.get("rows", [case.get("row")]))


def samples_of(case: dict[str, Any], images: Path) -> list[Any]:
    return [
        sample | {"images": [str(images / image) for image in sample["images"]]} for sample in case.get("samples", [])
    ]


def without_id(sample: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sample.items() if name != "id"}


def test_every_drop_reason_has_a_case() -> None:
    shown = {reason for path in CASES for reason in [read(path).get("drop"), *read(path).get("drops", [])]}
    elsewhere = {
        "image_outside_root",
        "image_empty",
        "image_unknown_format",
        "image_unreadable",
        "image_too_large",
        "image_too_narrow",
        "image_scale_unknown",
        "image_data_broken",
        "image_not_fetched",
        "image_offline",
    }  # need a link, a hard picture or a server: tests/images/test_resolve.py
    assert set(REASONS) - elsewhere == shown - {None}
    assert set(REASONS) >= CHOICES
