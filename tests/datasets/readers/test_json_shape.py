"""Files that begin with an object: lines, objects over several lines, one object around the rows; half characters."""

import json
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.json_shape import rows_below
from vlm_sft.datasets.readers.source import file_rows
from vlm_sft.errors import UserError

ROWS = [{"id": n, "text": f'a {{ "x": [ {n}', "turns": [{"role": "x"}]} for n in range(3000)]


def rows(path: Path, content: bytes) -> list[Any]:
    path.write_bytes(content)
    return list(file_rows(path))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(("key", "before"), [("data", {}), ("rows", {"version": "1", "about": {"data": {"id": 1}}})])
def test_rows_below_a_key_are_read(key: str, before: dict[str, Any], indent: int | None, tmp_path: Path) -> None:
    document = json.dumps(before | {key: ROWS, "count": 3000}, indent=indent)
    assert rows(tmp_path / "x.json", document.encode()) == ROWS


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_objects_over_several_lines_are_read(bom: str, line_end: str, tmp_path: Path) -> None:
    document = "\n".join(json.dumps(row, indent=2) for row in ROWS).replace("\n", line_end)
    assert rows(tmp_path / "x.jsonl", (bom + document).encode()) == ROWS


@pytest.mark.parametrize(
    "head",
    [
        b'{"id": 1, "text": "so long that the head ends',
        b'{"messages": [{"role": "user"',
        b'{"data": [{"id": 1}]}\n{"data": [{"id": 2}]}\n',
        b'{"data": {"id": 1}}\n',
        b'{"id": 1, "text": "a line that is cut o\n{"id": 2}\n',
        b'{"id": 1,\n{"id": 2}\n',
        b'{"id": nonsense}\n',
        b"{}\n",
    ],
)
def test_other_files_are_lines(head: bytes) -> None:
    assert rows_below(head) is None


def test_a_truncated_object_around_the_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="truncated in row 3000"):
        rows(tmp_path / "x.json", json.dumps({"data": ROWS}).encode()[:-4])


@pytest.mark.parametrize("layout", ["[%s]", "%s"])
def test_half_a_surrogate_pair_drops_only_its_row(layout: str, tmp_path: Path) -> None:
    separator = ",\n" if layout == "[%s]" else "\n"
    texts = [r"\ud83d", r"\ud83d\ude00", "a", r"\\ud83d", r"\udead \n"]
    content = layout % separator.join(f'{{"id": "{text}"}}' for text in texts)
    half = Drop("invalid_unicode")
    assert rows(tmp_path / "x.json", content.encode()) == [
        half,
        {"id": "😀"},
        {"id": "a"},
        {"id": r"\ud83d"},
        half,
    ]


def test_two_objects_in_one_line_are_one_drop(tmp_path: Path) -> None:
    read = rows(tmp_path / "x.jsonl", b'{"a": "\\ud83d"}, {"a": 2}\n{"a": 3}\n')
    assert [row.reason if isinstance(row, Drop) else row for row in read] == ["invalid_json", {"a": 3}]


def test_a_byte_order_mark_in_the_middle_is_ignored(tmp_path: Path) -> None:
    mark = "\ufeff"
    content = f'{mark}{{"a": 1}}\r\n{mark}{{"a": 2}}\r\n{mark}\r\n{{"a": "{mark}"}}'
    assert rows(tmp_path / "x.jsonl", content.encode()) == [{"a": 1}, {"a": 2}, {"a": mark}]


def test_bytes_that_are_no_utf_8_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="row 1 or one soon after it is not JSON"):
        rows(tmp_path / "x.json", b'[{"a": "\xed\xa0\x80"}]')
