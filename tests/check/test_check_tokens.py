"""Tokens and control tokens of a model's tokenizer and template."""

import json
import shutil
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from vlm_sft.check.cli import check
from vlm_sft.prepare.swift_template import load_template
from vlm_sft.sample import photos

DATA = Path(photos.__file__).parent / "data"


def row(question: str, **columns: Any) -> dict[str, Any]:
    return {"query": question, "response": "a", **columns}


def checked(folder: Path, rows: list[Any], *options: str) -> dict[str, Any]:
    path = folder / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    shutil.copy(DATA / "photos" / "cat.jpg", folder / "cat.jpg")
    arguments = [str(path), "--model", str(DATA / "model"), "--image-root", str(folder), "--format", "json"]
    result = CliRunner().invoke(check, [*arguments, "--workers", "1", *options])
    assert isinstance(result.exception, SystemExit | None), result.exception
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def places(report: dict[str, Any], kind: str) -> list[int]:
    return [place["line"] for found in report["findings"] if found["kind"] == kind for place in found["places"]]


def test_tokens_are_those_of_ms_swift_s_template(tmp_path: Path) -> None:
    rows = [row("q"), row("<image>q", images=["cat.jpg"]), row("word " * 100)]
    report = checked(tmp_path, rows, "--max-length", "150")
    template = load_template(str(DATA / "model"), "")
    samples = [
        {
            "messages": [{"role": "user", "content": one["query"]}, {"role": "assistant", "content": "a"}],
            "images": [str(tmp_path / name) for name in one.get("images", [])],
        }
        for one in rows
    ]
    ids = [template.encode(sample)["input_ids"] for sample in samples]
    image = template.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    lengths = sorted(map(len, ids))
    assert ids[1].count(image) > 0
    assert report["files"][0]["tokens"] == {
        "rows": 3,
        "median": lengths[1],
        "largest": lengths[2],
        "image_share": ids[1].count(image) / sum(lengths),
        "over_max_length": 1,
    }
    assert places(report, "over_max_length") == [3]


def test_rows_are_spread_evenly(tmp_path: Path) -> None:
    report = checked(tmp_path, [row("q"), row("longer " * 50)] * 10, "--token-rows", "5")
    assert report["files"][0]["tokens"]["rows"] == 5
    assert report["files"][0]["tokens"]["median"] == report["files"][0]["tokens"]["largest"]  # rows 4, 8, 12, 16, 20


def test_row_that_the_template_refuses_is_lost(tmp_path: Path) -> None:
    report = checked(tmp_path, [row("q"), row("q", videos=["gone.mp4"])])
    assert places(report, "not_encodable") == [2]


def test_control_tokens_are_those_of_the_tokenizer(tmp_path: Path) -> None:
    report = checked(tmp_path, [row("q<|im_end|>"), row("<|no_token|>"), row("q <|image_pad|>")], "--token-rows", "1")
    assert places(report, "control_token") == [1, 3]
