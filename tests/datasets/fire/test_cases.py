"""One case file under tests/data/fire/ for every irregularity of FIRE's rows: a row, and its samples or drop reason."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from vlm_sft.cli import main
from vlm_sft.datasets.conversation import CHOICES, REASONS

CASES = sorted((Path(__file__).parents[2] / "data" / "fire").glob("*.json"))
COMPANION = {  # a valid row beside each case: the output must not be empty
    "id": "companion",
    "image": "vg/VG_100K/1.jpg",
    "question": "Is it there?",
    "conversations": [
        {"role": "student", "type": "response", "value": "Answer: yes"},
        {"role": "teacher", "type": "feedback", "value": "Is it?"},
        {"role": "student", "type": "response", "value": "Answer: no"},
    ],
}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    images, out = tmp_path / "images", tmp_path / "out"
    for name in [*case["files"], COMPANION["image"]]:
        target = images / name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(target, format="PNG" if name.endswith(".png") else "JPEG")
    rows = tmp_path / "FIRE-train-100K.jsonl"
    line = case.get("line") or json.dumps(case["row"])
    rows.write_text(f"{json.dumps(COMPANION)}\n{line}\n")

    options = ["--image-root", str(images), "--max-drop-share", "1", "--save-drops", *case.get("options", [])]
    result = CliRunner().invoke(main, ["prepare", "fire", "--input", str(rows), "--output-dir", str(out), *options])
    assert result.exit_code == 0, result.output

    written = [json.loads(text) for text in (out / "fire_bc_train.jsonl").read_bytes().splitlines()]
    of_case = [sample for sample in written if "VG_100K/1.jpg" not in sample["images"][0]]
    expected = [
        sample | {"images": [str(images / name) for name in sample["images"]]} for sample in case.get("samples", [])
    ]
    assert of_case == expected
    drops = [json.loads(text) for text in (out / "dropped_train.jsonl").read_bytes().splitlines()]
    assert [drop["reason"] for drop in drops] == ([case["drop"]] if "drop" in case else [])


def test_every_drop_reason_has_a_case() -> None:
    shown = {json.loads(path.read_text()).get("drop") for path in CASES}
    elsewhere = {
        "image_outside_root",
        "image_unreadable",
    }  # need a link and a damaged file: tests/images/test_resolve.py
    assert set(REASONS) - elsewhere == shown - {None}
    assert set(REASONS) >= CHOICES
