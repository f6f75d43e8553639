"""One case file under tests/data/<dataset>/ for every irregularity of its rows: its row or rows, and their
samples, drop reason or drop reasons.

companion.json is a valid row that is written before each case, because an output must not be empty. Its `format` is
that of the input, by default jsonl. `line` is a row, or several, as the input has it. In rows and
samples, {"png": [8, 8]} is a picture that the row itself holds.
"""

import io
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet
from swift_loads import rows_loaded
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
    put_files(images, companion, case)

    def prepare(*cases: dict[str, Any]) -> list[Any]:
        source = write(tmp_path / f"of_{len(cases)}", cases)
        given = ["--input", str(source), "--image-root", str(images), "--output-dir", str(out)]
        options = ["--splits", "train", "--max-drop-share", "1", "--save-drops", *case.get("options", [])]
        result = CliRunner().invoke(main, ["prepare", name, *given, *options])
        assert result.exit_code == 0, result.output
        samples = lines(out / DATASETS[name].output_name("train"))
        return [sample | {"images": [picture(path, out) for path in sample["images"]]} for sample in samples]

    of_companion = prepare(companion)
    if not case.get("options"):
        assert [without_id(sample) for sample in of_companion] == samples_of(companion, images)
    expected = samples_of(case, images)
    written = prepare(companion, case)
    assert [list(sample) for sample in written] == [["id", "messages", "images"]] * len(written)
    shown = [
        sample if "id" in case_sample else without_id(sample)
        for sample, case_sample in zip_longest(written[len(of_companion) :], expected, fillvalue={})
    ]
    assert shown == expected
    drops = case.get("drops", [case["drop"]] if "drop" in case else [])
    assert [drop["reason"] for drop in lines(out / "dropped_train.jsonl")] == drops


def is_parquet(name: str) -> bool:
    return read(DATA / name / "companion.json").get("format") == "parquet"


# Of the other datasets: tests/prepare/test_swift_equality.py
@pytest.mark.parametrize("name", sorted({path.parent.name for path in CASES if is_parquet(path.parent.name)}))
def test_ms_swift_loads_every_line_of_all_cases_in_one_input(name: str, tmp_path: Path) -> None:
    cases = [case for path in sorted((DATA / name).glob("*.json")) if not (case := read(path)).get("options")]
    images, out = tmp_path / "images", tmp_path / "out"
    put_files(images, *cases)
    companion = read(DATA / name / "companion.json")
    given = ["--input", str(write(tmp_path / "all", [companion, *cases])), "--image-root", str(images)]
    options = ["--output-dir", str(out), "--splits", "train", "--max-drop-share", "1"]
    result = CliRunner().invoke(main, ["prepare", name, *given, *options])
    assert result.exit_code == 0, result.output
    stats = json.loads((out / "stats.json").read_bytes())
    assert stats["rows_in"] == stats["written"] + stats["joined"] + sum(stats["dropped"].values())
    output = out / DATASETS[name].output_name("train")
    written, loaded = lines(output), rows_loaded(output)
    assert len(loaded) == len(written) == stats["samples"]
    assert [row["images"] for row in loaded] == [sample["images"] for sample in written]
    assert [texts(row) for row in loaded] == [texts(sample) for sample in written]


def texts(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row["messages"]]


def put_files(images: Path, *cases: dict[str, Any]) -> None:
    images.mkdir()
    for file in (file for case in cases for file in case["files"]):
        target = images / file
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(target, format="PNG" if file.endswith(".png") else "JPEG")


def write(folder: Path, cases: Sequence[dict[str, Any]]) -> Path:
    """Write the rows of cases. Each row is a Parquet file, because the columns of one file have one type."""
    folder.mkdir()
    if cases[0].get("format") != "parquet":
        path = folder / f"rows.{cases[0].get('format', 'jsonl')}"
        path.write_text("\n".join(map(case_lines, cases)))
        return path
    rows = [row for case in cases for row in rows_of(case)]
    for number, row in enumerate(rows):
        name = f"train-{number:05}-of-{len(rows):05}.parquet"
        parquet.write_table(pa.Table.from_pylist([with_pictures(row)]), folder / name)
    return folder


def case_lines(case: dict[str, Any]) -> str:
    return case.get("line") or "\n".join(map(json.dumps, rows_of(case)))


def rows_of(case: dict[str, Any]) -> list[Any]:
    return case["rows"] if "rows" in case else [case.get("row")]


def with_pictures(value: Any) -> Any:
    match value:
        case {"png": [width, height]}:
            file = io.BytesIO()
            Image.new("RGB", (width, height)).save(file, "PNG")
            return file.getvalue()
        case dict():
            return {name: with_pictures(inner) for name, inner in value.items()}
        case list():
            return [with_pictures(inner) for inner in value]
    return value


def picture(path: str, out: Path) -> Any:
    """Return a picture that was written from a row as its case names it; the path of any other."""
    if not path.startswith(f"{out}/"):
        return path
    with Image.open(path) as image:
        return {str(image.format).lower(): list(image.size)}


def samples_of(case: dict[str, Any], images: Path) -> list[Any]:
    def shown(image: Any) -> Any:
        return str(images / image) if isinstance(image, str) else image

    return [sample | {"images": list(map(shown, sample["images"]))} for sample in case.get("samples", [])]


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
        # need a link, a hard picture or a server: tests/images/test_resolve.py
        "row_unreadable",  # needs damaged bytes: tests/datasets/readers/test_parquet_rows.py
    }
    assert set(REASONS) - elsewhere == shown - {None}
    assert set(REASONS) >= CHOICES
