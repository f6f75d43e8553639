"""Every kind of finding: a file that shows it, and the lines where it is."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image
from vlm_sft.check.cli import check
from vlm_sft.check.finding import KINDS
from vlm_sft.sample import photos

CAT = Path(photos.__file__).parent / "data" / "photos" / "cat.jpg"
BOM = b"\xef\xbb\xbf"


def row(question: Any = "q", answer: Any = "a", **columns: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **columns}


def said(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(roles)]}


def answered(**keys: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", **keys}]}


def lines(*rows: Any) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in rows)


FINE = row("fine", "answer")
LONG = [row("q" * 1000, "a" * 1000, id=1, empty=None) for _ in range(5100)]  # over 10 MB

# kind -> content, places (line, field); a dict of contents is several files, and the last one has the finding.
CASES: dict[str, tuple[Any, list[tuple[int, str]]]] = {
    "not_json": (
        lines(FINE, b"oops", FINE, b'{"a": 1', lines(FINE)[:-1] + lines(FINE)[:-1]),
        [(2, ""), (4, ""), (5, "")],
    ),
    "not_utf8": (lines(FINE, b'{"query": "\xff"}'), [(2, "")]),
    "not_an_object": (lines(FINE, [1], "text", 5), [(2, ""), (3, ""), (4, "")]),
    "lone_surrogate": (lines(FINE, b'{"query": "\\ud800"}'), [(2, "")]),
    "bom_inside": (lines(FINE, BOM + lines(FINE)[:-1]), [(2, "")]),
    "too_deep": (lines(FINE, row(x=json.loads("[" * 63 + "]" * 63)), b"[" * 5000), [(2, ""), (3, "")]),
    "before_array": (b" " + json.dumps([FINE]).encode(), [(0, "")]),
    "late_column": (lines(*LONG, row(new=1)), [(5101, "new")]),
    "late_key": (lines(*LONG, answered(loss=True)), [(5101, "messages[].loss")]),
    "null_first": (lines(*LONG, row(empty=[])), [(5101, "empty")]),
    "type_changes": (lines(*LONG, row(id="x"), row(id=2), row(id=1.5)), [(5101, "id"), (5103, "id")]),
    "number_among_texts": (lines(*LONG, row("q", 5)), [(5101, "messages[].content")]),
    "mixed_images": (lines(row(images=["a.jpg", {"path": "b.jpg"}])), [(1, "images")]),
    "dates_only": (lines({"query": "When?", "response": "2020-01-01"}), [(0, "response")]),
    "other_shape": (lines(FINE, {"prompt": "p", "completion": "c"}), [(2, "prompt, completion")]),
    "no_messages": (lines(FINE, {"messages": []}, {}, None), [(2, "messages"), (3, "messages"), (4, "messages")]),
    "messages_unreadable": (lines(FINE, {"messages": "[{'role'"}), [(2, "messages")]),
    "message_malformed": (
        lines(FINE, {"messages": ["x"]}, {"messages": {"role": "user"}}, {"messages": [{"content": "x"}]}),
        [(2, "messages[0]"), (3, "messages"), (4, "messages[0].role")],
    ),
    "unknown_role": (
        lines(FINE, said("user", "student"), said("User")),
        [(2, "messages[1].role"), (3, "messages[0].role")],
    ),
    "content_missing": (
        lines(FINE, row(None), {"messages": [{"role": "user"}]}),
        [(2, "messages[0].content"), (3, "messages[0].content")],
    ),
    "content_not_text": (
        lines(FINE, row(7), row("q", {"a": 1}), row([{"type": "text", "value": "q"}])),
        [(2, "messages[0].content"), (3, "messages[1].content"), (4, "messages[0].content[0]")],
    ),
    "role_order": (
        lines(said("system", "user", "assistant"), said("user", "system", "assistant"), said("system")),
        [(2, "messages[1].content"), (3, "messages[0].content")],
    ),
    "no_instruction": (
        lines({"instruction": "i", "input": ""}, {"instruction": None, "input": None}),
        [(2, "instruction")],
    ),
    "history_malformed": (
        lines(
            {"query": "q", "response": "r", "history": [["a", "b"]]}, {"query": "q", "response": "r", "history": "x"}
        ),
        [(2, "history")],
    ),
    "objects_malformed": (
        lines(
            row("<bbox>", objects={"bbox": [[1, 2]]}), row(objects={"bbox": [[1, 2, 3]]}), row(objects={"ref": ["x"]})
        ),
        [(2, "objects"), (3, "objects")],
    ),
    "rejected_malformed": (
        lines(row(rejected_response="b"), row(rejected_response="a"), FINE),
        [(2, "rejected_response"), (3, "rejected_response")],
    ),
    "loss_scale_malformed": (lines(answered(loss_scale=2.0), answered(loss_scale="x")), [(2, "messages[1].content")]),
    "images_twice": (lines(row([{"type": "image", "image": str(CAT)}], images=[str(CAT)])), [(1, "images")]),
    "image_malformed": (
        lines(row("<image>", images=[5]), row("<image>", images=[{"url": "x"}])),
        [(1, "images[0]"), (2, "images[0]")],
    ),
    "image_missing": (
        lines(row("<image>", images=[str(CAT)]), row("<image><image>", images=[str(CAT), "gone.jpg"])),
        [(2, "images[1]")],
    ),
    "image_undecodable": (lines(row("<image>", image="cut.jpg"), row("<image>", image="cat.jpg")), [(1, "images[0]")]),
    "image_rotated": (
        lines(row("<image>", images=["cat.jpg"]), row("<image>", images=["turned.jpg"])),
        [(2, "images[0]")],
    ),
    "image_grey16": (lines(row("<image>", images=["grey16.png"])), [(1, "images[0]")]),
    "image_scale": (lines(row("<image>", images=["float.tif"])), [(1, "images[0]")]),
    "image_too_large": (lines(row("<image>", images=["large.png"])), [(1, "images[0]")]),
    "image_animation": (lines(row("<image>", images=["frames.gif"])), [(1, "images[0]")]),
    "column_conflict": (
        lines(row("<image>", images=[str(CAT)]), row(image=str(CAT)), row(image=None)),
        [(2, "image")],
    ),
    "no_answer": (lines(FINE, said("user")), [(2, "messages[0].content")]),
    "no_question": (lines({"text": "whole text"}), [(1, "text")]),
    "nothing_trained": (lines(answered(loss=False), answered(loss=None)), [(1, "messages[1].content")]),
    "loss_not_boolean": (lines(answered(loss="false"), answered(loss=True)), [(1, "messages[1].content")]),
    "empty_answer": (
        lines(FINE, row("q", " "), row("q", "")),
        [(2, "messages[1].content"), (3, "messages[1].content")],
    ),
    "extra_image_tags": (
        lines(row("<image>", images=[str(CAT)]), row("<image><image>", images=[str(CAT)]), row("<image>", images=[])),
        [(2, "messages[0].content"), (3, "messages[0].content")],
    ),
    "image_tag_in_answer": (lines(row("q", "a <image>", images=[str(CAT)])), [(1, "messages[1].content")]),
    "media_tag": (
        lines(
            row("<video>"),
            row("<bbox>", "a"),
            row(f"<img>{CAT}</img>"),
            row(f"<image><img>{CAT}</img>", images=[str(CAT)]),
        ),
        [(1, "messages[0].content"), (2, "messages[0].content"), (4, "messages[0].content")],
    ),
    "control_token": (lines(FINE, row("q<|im_end|>")), [(2, "messages[0].content")]),
    "nul_character": (lines(FINE, row("q", "a\0")), [(2, "messages[1].content")]),
    "nan_text": (
        lines(row("nan"), row("q", "None"), row("nan?", "a nan")),
        [(1, "messages[0].content"), (2, "messages[1].content")],
    ),
    "in_two_files": ({"a.jsonl": lines(FINE), "b.jsonl": lines(row(), {**FINE, "id": 7})}, [(2, "")]),
    "near_in_two_files": (
        {
            "a.jsonl": lines(row("words " * 30, "other")),
            "b.jsonl": lines(
                *[row(" ".join(f"word{i}" for i in range(90)), a, images=[f"http://x/{a[0]}.jpg"]) for a in ("x", "y")]
            ),
            "c.jsonl": lines(row(), row(" ".join(f"word{i}" for i in range(90)), "x!", images=["http://x/x.jpg"])),
        },
        [(2, "")],
    ),
    "duplicate": (lines(FINE, row(), {**FINE, "id": 1}, FINE), [(3, ""), (4, "")]),
    "missing_image_tags": (lines(row("q", images=[str(CAT)])), [(1, "images")]),
    "unused_objects": (lines(row("<ref-object>", objects={"ref": ["x"], "bbox": [[1, 2]]})), [(1, "objects")]),
    "empty_question": (lines(row("")), [(1, "messages[0].content")]),
    "last_is_user": (lines(said("user", "assistant", "user")), [(1, "messages[2].content")]),
    "image_url": (lines(row("<image>", images=["https://x.org/a.jpg"])), [(1, "images[0]")]),
    "not_a_number": (lines(row(x=math.nan)), [(1, "")]),
    "byte_order_mark": (BOM + lines(FINE), [(0, "")]),
    "wrong_suffix": ({"a.ndjson": lines(FINE)}, [(0, "")]),
    "too_long": (lines(FINE, b'{"query": "' + b"x" * (65 << 20) + b'"}', FINE), [(2, "")]),
}
WITH_MODEL = {"over_max_length", "not_encodable"}  # in test_check_tokens.py


def add_images(folder: Path) -> None:
    """Write one image of each kind."""
    shutil.copy(CAT, folder / "cat.jpg")
    (folder / "cut.jpg").write_bytes(CAT.read_bytes()[:2000])
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    square = Image.new("L", (40, 40), 7)
    square.save(folder / "turned.jpg", exif=turned)
    Image.new("I;16", (40, 40), 40_000).save(folder / "grey16.png")
    Image.new("F", (40, 40), 1e6).save(folder / "float.tif")
    Image.new("1", (12_000, 9_000)).save(folder / "large.png")
    square.save(folder / "frames.gif", save_all=True, append_images=[Image.new("L", (40, 40), 90)])


def found_in(folder: Path, content: Any, *options: str) -> tuple[int, dict[str, Any]]:
    """Check the files and return the exit code and the report."""
    files = content if isinstance(content, dict) else {"a.jsonl": content}
    for name, text in files.items():
        (folder / name).write_bytes(text)
    arguments = [*(str(folder / name) for name in files), "--format", "json", "--places", "1000", *options]
    result = CliRunner().invoke(check, [*arguments, "--image-root", str(folder), "--workers", "1"])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("kind", CASES)
def test_kind_is_found_at_its_lines(tmp_path: Path, kind: str) -> None:
    content, places = CASES[kind]
    add_images(tmp_path)
    code, report = found_in(tmp_path, content)
    found = [finding for finding in report["findings"] if finding["kind"] == kind]
    assert [(p.get("line", p.get("row")), p["field"]) for f in found for p in f["places"]] == places
    assert sum(finding["count"] for finding in found) == len(places)
    assert code == any(finding["effect"] != "note" for finding in report["findings"])


def test_every_kind_has_a_case() -> None:
    assert CASES.keys() | WITH_MODEL == KINDS.keys()


def test_rows_of_every_format_are_fine(tmp_path: Path) -> None:
    shutil.copy(CAT, tmp_path / "cat.jpg")
    tools = {"messages": [*said("user")["messages"], {"role": "tool_call", "content": '{"name": "f", "arguments": {}}'},
                          {"role": "tool", "content": "r"}, {"role": "assistant", "content": "a"}]}  # fmt: skip
    files = {
        "messages.jsonl": lines(row(), said("system", "user", "assistant"), row("<image>", images=["cat.jpg"]), tools),
        "sharegpt.jsonl": lines(
            {"conversations": [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}], "system": "s"},
            {"conversations": [{"human": "h2", "assistant": "g"}]},
        ),
        "query.jsonl": lines(
            {"query": "q1", "response": "r"}, {"query": "q2", "response": "r", "history": [["a", "b"]]}
        ),
        "alpaca.jsonl": lines({"instruction": "i", "input": "", "output": "o", "text": "all"}),
        "array.json": json.dumps([{"problem": "p", "answer": 'a "{" b', "image": "cat.jpg"}]).encode(),
    }
    code, report = found_in(tmp_path, files)
    assert {finding["kind"] for finding in report["findings"]} == {"missing_image_tags"}
    assert code == 0
    assert [(file["read_by"], file["rows"], file["rows_lost"]) for file in report["files"]] == [
        ("messages", 4, 0), ("messages", 2, 0), ("response", 2, 0), ("alpaca", 1, 0), ("response", 1, 0)
    ]  # fmt: skip
