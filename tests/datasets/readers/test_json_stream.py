"""What ijson gets to read: every text as the standard library reads it, but half a surrogate pair; a bounded depth."""

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.json_stream import HALF_PAIR, JsonStream, TooDeep
from vlm_sft.datasets.readers.source import file_rows
from vlm_sft.errors import UserError

PIECES = [r"\ud83d", r"\uDE00", r"\u0041", r"\\", r"\"", r"\n", "a", "u", "d83d", "[", "}", "é"]


def read(content: bytes, size: int) -> tuple[bytes, int]:
    """Return what is read in blocks of `size`, and the depth at the end."""
    stream, found = JsonStream(b"", io.BytesIO(content)), b""
    while block := stream.read(size):
        found += block
    return found, stream._depth


@given(st.lists(st.sampled_from(PIECES), max_size=20), st.integers(13, 60))
def test_only_half_pairs_are_replaced_wherever_a_block_ends(pieces: list[str], size: int) -> None:
    text = f'"{"".join(pieces)}"'
    found, depth = read(text.encode(), size)
    assert json.loads(found) == re.sub("[\ud800-\udfff]", HALF_PAIR, json.loads(text))
    assert depth == 0


def test_brackets_in_texts_are_not_depth() -> None:
    content = json.dumps([{"[": "[" * 50_000}] * 10).encode()
    assert read(content, 1000) == (content, 0)


@pytest.mark.parametrize("level", ["[", '{"a":', '[1, "]", '])
def test_memory_stays_bounded_by_an_error(level: str) -> None:
    with pytest.raises(TooDeep):
        read(level.encode() * 20_000, 1 << 16)


def test_a_row_of_a_pretty_printed_file_with_half_a_pair_is_a_drop(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    texts = [r"\ud83d", r"\ud83d\ude00", r"\udead \n", r"\\ud83d", "?"]
    path.write_text("\n".join(f'{{\n "id": "{text}"\n}}' for text in texts))
    half = Drop("invalid_unicode")
    assert list(file_rows(path)) == [half, {"id": "😀"}, half, {"id": r"\ud83d"}, {"id": "?"}]


@pytest.mark.parametrize(
    ("content", "what"),
    [('{\n "id": 1\n}\n{\n "id', "the last JSON object"), ('{"data": [{"id": 1}, {', "the JSON array")],
)
def test_a_truncated_file_is_named_after_what_it_holds(content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UserError, match=f"{what} is truncated in row 2, at byte {len(content)}, the end of the file"):
        list(file_rows(path))
