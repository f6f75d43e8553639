"""Any valid JSON array or JSON lines gives its rows; anything else gives one error that names the place."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers import json_rows
from vlm_sft.datasets.readers.source import file_rows
from vlm_sft.errors import UserError

# No lone surrogates: neither parser accepts them.
text = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ['}, {"id": "', '"], [{', "\\", '{"id"', "é🚲"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "role", "x"]) | text, inner, max_size=4)
    ),
    max_leaves=12,
)
PART_BYTES = 1 << 16
PLAIN = {"key": "a", "id": "b", "nested": [{"id": 1}, {"id": 2}]}
QUIRK = {"id": 'a}, {"id": "b', "nested": [{"id": 1}, {"id": 2}], "text": 'quote " brace } backslash \\ ü 🚲'}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows.parts, "__defaults__", (PART_BYTES,))


def rows(path: Path) -> list[Any]:
    return list(file_rows(path))


@given(st.lists(values), st.sampled_from([None, 1, 4, "\t"]), st.booleans(), st.booleans())
def test_any_array_is_read_as_the_standard_library_reads_it(
    tmp_path_factory: pytest.TempPathFactory, document: list[Any], indent: int | str | None, ascii_only: bool, bom: bool
) -> None:
    path = tmp_path_factory.mktemp("rows") / "x.json"
    content = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    assert rows(write(path, (b"\xef\xbb\xbf" if bom else b"") + b"\r\n " + content + b"\n")) == document


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("separators", [None, (",", ":"), (" , ", " : ")])
@pytest.mark.parametrize("first", [PLAIN, QUIRK, 5])
@pytest.mark.parametrize("row", [PLAIN, QUIRK, {"role": "x", "id": QUIRK}, [QUIRK], "text", 5, {}])
def test_arrays_of_many_blocks_are_complete(
    first: Any, row: Any, separators: tuple[str, str] | None, indent: int | None, tmp_path: Path
) -> None:
    document = [first, *[row, {"id": "n" * 1000}, PLAIN] * 300]
    content = json.dumps(document, indent=indent, separators=separators)
    assert len(content) > 4 * PART_BYTES
    assert rows(write(tmp_path / "x.json", content)) == document


@pytest.mark.parametrize("between", [" ", " 5 ", ",, ", '"'])
def test_anything_but_one_comma_between_two_blocks_is_an_error(between: str, tmp_path: Path) -> None:
    about = 2 * PART_BYTES // (len(json.dumps(PLAIN)) + 2)  # rows in the two blocks that are read first
    for count in range(about - 3, about + 3):
        half = json.dumps([PLAIN] * count)[1:-1]
        with pytest.raises(UserError, match="is not JSON"):
            rows(write(tmp_path / "x.json", f"[{half}{between}{half}]"))


def test_a_row_longer_than_any_block_is_read(tmp_path: Path) -> None:
    document = [{"id": 1}, {"id": "x" * 5_000_000}, {"id": 2}]
    assert rows(write(tmp_path / "x.json", json.dumps(document))) == document


def test_json_lines_are_read_and_a_broken_line_is_a_drop(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", '\ufeff\n{"id": 1}\r\n\n{"id": \n[2]\n{"id": NaN}\n{"id": 3}')
    read = rows(path)
    assert [row if not isinstance(row, Drop) else row.reason for row in read] == [
        {"id": 1},
        "invalid_json",
        [2],
        "invalid_json",
        {"id": 3},
    ]
    assert read[1].detail == "unexpected end of data: line 1 column 8 (char 7): b'{\"id\": '"


@pytest.mark.parametrize("size", [0, 2000])
def test_a_truncated_array_is_reported_with_row_and_byte(size: int, tmp_path: Path) -> None:
    whole = json.dumps([PLAIN] * (size + 10))
    path = write(tmp_path / "x.json", whole[:-30])
    with pytest.raises(UserError) as raised:
        rows(path)
    assert raised.value.message == (
        f"{path}: the JSON array is truncated in row {size + 10}, at byte {len(whole) - 30}, the end of the file; "
        "the download is incomplete, download it again"
    )


def test_a_broken_array_is_reported_with_row_and_bytes(tmp_path: Path) -> None:
    start = json.dumps([QUIRK] * 5000)[:-1]
    path = write(tmp_path / "x.json", start + ', {"id": nonsense}' + start.replace("[", ", ", 1) + "]")
    read = []
    with pytest.raises(UserError) as raised:
        read.extend(file_rows(path))
    message = raised.value.message
    assert "is not JSON (lexical error: invalid string in json text.)" in message
    low, high = (
        int(part.split(" byte ")[1].split(";")[0].split(" ")[0]) for part in message.split("between")[1].split("and")
    )
    assert low <= len(start) <= high
    row = int(message.split(": row ")[1].split(" ")[0])
    assert 5000 - 2 * PART_BYTES // len(json.dumps(QUIRK)) <= row <= 5001


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty; need a JSON array or JSON lines"),
        (b" \n", "the file is empty; need a JSON array or JSON lines"),
        (b'"text"', "starts with b'\"text\"'; need a JSON array ([) or JSON lines ({)"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "a Git LFS pointer, not the data itself; download it with `git lfs pull` or `hf download`",
        ),
    ],
)
def test_a_file_without_rows_is_described(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", content)
    with pytest.raises(UserError) as raised:
        rows(path)
    assert raised.value.message == f"{path}: {complaint}"


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a": 1}] x',
        b'[{"a": 1} {"b": 2}]',
        b'[{"a": "\xff"}]',
        b"[1],[2]",
        b'[{"a": 1},]',
    ],
)
def test_an_almost_valid_array_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not JSON"):
        rows(write(tmp_path / "x.json", content))


@pytest.mark.parametrize("content", ["[" * 3_000_000, "[" * 100_000 + "]" * 100_000, '[{"a": 1}, ' + '{"a":' * 50_000])
def test_deep_nesting_is_refused_at_once(content: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="brackets nested more than a thousand deep"):
        rows(write(tmp_path / "x.json", content))


def test_a_very_long_integer_is_read(tmp_path: Path) -> None:
    digits = "9" * 5000
    assert rows(write(tmp_path / "x.json", f"[{digits}]")) == [10**5000 - 1]


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_memory_does_not_grow_with_the_file(ending: str, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        lines = [json.dumps(QUIRK)] * count
        path = write(
            tmp_path / f"{count}.{ending}", "[" + ",\n".join(lines) + "]" if ending == "json" else "\n".join(lines)
        )
        tracemalloc.start()
        for _ in file_rows(path):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(40)  # objects that the first reading creates once count for neither
    assert peak(40_000) < 1.2 * peak(4_000)


def test_memory_does_not_grow_if_no_row_begins_like_the_first(tmp_path: Path) -> None:
    content = json.dumps([{"first": 1}, *[PLAIN] * 90_000])
    path = write(tmp_path / "x.json", content)
    tracemalloc.start()
    assert sum(1 for _ in file_rows(path)) == 90_001
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert top < 5 * 2**20 < len(content)


def test_a_row_that_is_nested_too_deep_for_another_process_is_a_drop(tmp_path: Path) -> None:
    deep = "[" * 3000 + "]" * 3000
    content = f'{{\n "a": 1}}\n{{\n "a": {deep}}}\n{{\n "a": 2}}\n'
    assert rows(write(tmp_path / "x.json", content)) == [{"a": 1}, Drop("invalid_json", "nested too deep"), {"a": 2}]
