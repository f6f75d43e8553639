"""Every line that a dataset's command writes is a row of ms-swift's own loader in strict mode, with the same texts.

The input of a dataset is all of its case files at once.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet
from swift_loads import rows_loaded
from vlm_sft.cli import main
from vlm_sft.datasets.readers.csv_rows import parts
from vlm_sft.datasets.registry import DATASETS

DATA = Path(__file__).parents[1] / "data"
NAMES_IN_ROWS = ("message_tree_id", "message_id", "parent_id")  # equal in several cases


def cases_of(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the companion, and the cases of which each row is read in the same way."""
    found = [(path.stem, json.loads(path.read_text())) for path in sorted((DATA / name).glob("*.json"))]
    found.sort(key=lambda case: case[0] != "companion")
    return [(stem, case) for stem, case in found if "options" not in case]


def lines_of(stem: str, case: dict[str, Any]) -> str:
    if "line" in case:
        return str(case["line"])
    rows = case.get("rows", [case.get("row")])
    for row in rows:
        for name in NAMES_IN_ROWS:
            if isinstance(row, dict) and isinstance(row.get(name), str):
                row[name] = f"{stem} {row[name]}"
    return "\n".join(map(json.dumps, rows))


def write(folder: Path, name: str) -> tuple[Path, int]:
    """Write the input and its images; return its path and the number of its rows."""
    if name == "hub":
        source, _ = write(folder, "csv")
        rows = [row for part in parts(source) for row in part.rows() if isinstance(row, dict)]
        (folder / "hub").mkdir()
        parquet.write_table(pa.Table.from_pylist(rows), folder / "hub" / "train.parquet")
        return folder / "hub", len(rows)
    cases = cases_of(name)
    for file in [file for _, case in cases for file in case["files"]]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / file, format="PNG" if file.endswith(".png") else "JPEG")
    source = folder / f"rows.{cases[0][1].get('format', 'jsonl')}"
    source.write_text("\n".join(lines_of(stem, case) for stem, case in cases))
    return source, sum(len(case.get("rows", [0])) for _, case in cases)


def is_parquet(name: str) -> bool:
    return json.loads((DATA / name / "companion.json").read_text()).get("format") == "parquet"


# Datasets in Parquet: tests/datasets/test_cases.py
@pytest.mark.parametrize("name", [name for name in DATASETS if name == "hub" or not is_parquet(name)])
def test_every_written_line_is_a_row_of_ms_swift(name: str, tmp_path: Path) -> None:
    source, rows = write(tmp_path, name)
    given = ["--input", str(source), "--image-root", str(tmp_path), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["prepare", name, *given, "--splits", "train", "--max-drop-share", "1"])
    assert result.exit_code == 0, result.output
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert stats["rows_in"] >= rows
    assert stats["rows_in"] == stats["written"] + stats["joined"] + sum(stats["dropped"].values())
    output = tmp_path / "out" / DATASETS[name].output_name("train")
    written = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert len(written) == stats["samples"] >= 2
    loaded = rows_loaded(output)
    assert [(plain(row["messages"]), row["images"]) for row in loaded] == [
        (plain(sample["messages"]), sample["images"]) for sample in written
    ]


def plain(messages: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(message["role"], message["content"], message.get("loss")) for message in messages]
