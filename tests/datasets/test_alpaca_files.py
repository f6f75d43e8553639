"""Alpaca as Parquet, CSV, JSON and JSON lines, of which pandas writes three: the same samples."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from vlm_sft.cli import main

ROWS = [
    {"instruction": "Sort.", "input": "b, a", "output": 'a,\n"b"', "text": "Below is ..."},
    {"instruction": "Say hi.", "input": None, "output": "Hi; hello.", "text": "Below is ..."},
    {"instruction": "Say bye.", "input": "<noinput>", "output": "Bye.", "text": "Below is ..."},
]
QUESTIONS = [("Sort.\nb, a", 'a,\n"b"'), ("Say hi.", "Hi; hello."), ("Say bye.", "Bye.")]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json", "jsonl"])
def test_every_format_gives_the_same_samples(tmp_path: Path, suffix: str) -> None:
    table, path = pd.DataFrame(ROWS), tmp_path / f"alpaca_data.{suffix}"
    match suffix:
        case "parquet":
            table.to_parquet(path)
        case "csv":
            table.to_csv(path)  # with a column of numbers that has no name
        case "json":
            path.write_text(json.dumps(ROWS, indent=4))
        case "jsonl":
            table.to_json(path, orient="records", lines=True)
    given = ["--input", str(tmp_path), "--output-dir", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(main, ["prepare", "alpaca", *given])
    assert result.exit_code == 0, result.output
    samples = [json.loads(line) for line in (tmp_path / "out" / "alpaca_bc_train.jsonl").read_bytes().splitlines()]
    assert [tuple(message["content"] for message in sample["messages"]) for sample in samples] == QUESTIONS
    assert len({sample["id"] for sample in samples}) == 3
