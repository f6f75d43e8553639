"""CSV and TSV: encodings, separators, quotes, and lines that are no rows."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers.csv_rows import parts
from vlm_sft.datasets.readers.source import file_rows
from vlm_sft.errors import UserError

ROWS = [{"prompt": "Où?", "completion": "Là, à\ngauche."}, {"prompt": '"5" or 6?', "completion": "5; 6"}]
TEXT = 'prompt,completion\nOù?,"Là, à\ngauche."\n"""5"" or 6?",5; 6\n'


def read(tmp_path: Path, content: str | bytes, name: str = "rows.csv", encoding: str = "utf-8") -> list[Any]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return list(file_rows(path))


def error_of(tmp_path: Path, content: str | bytes, encoding: str = "utf-8") -> str:
    with pytest.raises(UserError) as caught:
        read(tmp_path, content, encoding=encoding)
    return caught.value.message.removeprefix(f"{tmp_path / 'rows.csv'}: ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, TEXT, encoding=encoding) == ROWS


def test_utf_16_of_a_big_endian_machine(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + TEXT, encoding="utf-16-be") == ROWS


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.TSV"])
def test_the_separator_is_the_one_of_the_header_whatever_the_suffix(tmp_path: Path, name: str, separator: str) -> None:
    content = f'prompt{separator}"a,;b"{separator}completion\n"x{separator}y"{separator}1{separator}z\n'
    assert read(tmp_path, content, name) == [{"prompt": f"x{separator}y", "a,;b": "1", "completion": "z"}]


def test_one_column_has_no_separator(tmp_path: Path) -> None:
    assert read(tmp_path, 'text\n"a, b; c"\nd\n') == [{"text": "a, b; c"}, {"text": "d"}]


def test_windows_lines_keep_the_line_breaks_in_cells(tmp_path: Path) -> None:
    content = 'prompt,completion\r\na,"b\r\nc\nd"\r\n\r\n'
    assert read(tmp_path, content) == [{"prompt": "a", "completion": "b\r\nc\nd"}]
    assert read(tmp_path, "prompt,completion\ra,b\rc,d") == [
        {"prompt": "a", "completion": "b"},
        {"prompt": "c", "completion": "d"},
    ]


def test_spaces_after_the_separators_of_the_header_are_no_part_of_the_cells(tmp_path: Path) -> None:
    assert read(tmp_path, '\n prompt, completion\na, "b, c"\n') == [{"prompt": "a", "completion": "b, c"}]
    assert read(tmp_path, "prompt,completion \na, b\n") == [{"prompt": "a", "completion": " b"}]


def test_a_column_without_a_name_is_not_read(tmp_path: Path) -> None:
    assert read(tmp_path, ",prompt,completion,\n0,a,b,\n") == [{"prompt": "a", "completion": "b"}]


def test_lines_that_are_no_rows_are_named_with_their_line(tmp_path: Path) -> None:
    content = '\ufeffprompt,completion\n"a\na",b\nc\n\ufeffprompt, completion\n\nd,e,f\ng,h\n'
    assert read(tmp_path, content) == [
        {"prompt": "a\na", "completion": "b"},
        Drop("ragged_row", "line 4: 1 cells, the header has 2"),
        Drop("header_repeated", "line 5"),
        Drop("ragged_row", "line 7: 3 cells, the header has 2"),
        {"prompt": "g", "completion": "h"},
    ]


def test_a_quote_inside_a_cell_without_quotes_and_a_nul_stay(tmp_path: Path) -> None:
    assert read(tmp_path, 'prompt,completion\n5" pipe,a\0b\n') == [{"prompt": '5" pipe', "completion": "a\0b"}]


def test_a_long_cell_is_read_and_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, f"text\n{'x' * 1_000_000}\n") == [{"text": "x" * 1_000_000}]
    assert read(tmp_path, "prompt,completion\n") == []


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff", ",\n1,2\n"])
def test_a_file_without_names_is_an_error(tmp_path: Path, content: str) -> None:
    assert error_of(tmp_path, content) == (
        "no line with the names of the columns; the first line of the file needs them"
    )


def test_equal_names_are_an_error(tmp_path: Path) -> None:
    assert error_of(tmp_path, "text,a,text\n") == ("line 1: several columns are named text; give each its own name")


def test_another_encoding_is_named_with_line_and_byte(tmp_path: Path) -> None:
    content = "prompt,completion\n" + "a,b\n" * 5000
    assert error_of(tmp_path, content + "Où?,c\n", "cp1252") == (
        "line 5002: byte 20019 (0xF9) is not UTF-8; convert it: "
        "`iconv -f WINDOWS-1252 -t UTF-8 rows.csv > utf8-rows.csv`, if that is its encoding"
    )


def test_a_character_that_is_cut_off_at_the_end_is_named(tmp_path: Path) -> None:
    assert error_of(tmp_path, TEXT.encode() + "é".encode()[:1]).startswith("line 5: byte 60 (0xC3) is not UTF-8; ")
    assert error_of(tmp_path, TEXT.encode("utf-16") + b"\0") == (
        "not UTF-16-LE, as its byte order mark says (truncated data); save it as UTF-8"
    )


@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE"])
def test_utf_16_without_a_byte_order_mark_is_an_error(tmp_path: Path, encoding: str) -> None:
    assert error_of(tmp_path, "prompt,completion\na,b\n", encoding) == (
        f"line 1: NUL bytes, as in {encoding} without a byte order mark; "
        f"convert it: `iconv -f {encoding} -t UTF-8 rows.csv > utf8-rows.csv`"
    )


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('"He said "no" and left",b\n', "line 3: not CSV (',' expected after '\"')"),
        ('"He said \\"no\\"",b\n', "line 3: not CSV (',' expected after '\"')"),
        ('"not closed,b\nc,d\ne,f\n', "lines 3 to 5: not CSV (unexpected end of data)"),
    ],
)
def test_wrong_quotes_end_the_reading_because_later_lines_may_be_parts_of_a_cell(
    tmp_path: Path, line: str, place: str
) -> None:
    assert error_of(tmp_path, "prompt,completion\na,b\n" + line) == (
        f"{place}; a quoted cell needs a quote at its end, and two quotes for each quote inside: "
        '"He said ""no"" and left". Correct the file, or save it as JSON lines'
    )


@given(st.binary(max_size=60) | st.text("ab,;\t\"'\n\r\0 \ufeffé", max_size=60).map(str.encode))
def test_any_bytes_are_rows_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "rows.csv"
    path.write_bytes(content)
    try:
        assert all(isinstance(row, dict | Drop) for row in file_rows(path))
    except UserError as error:
        message = error.message
    else:
        return
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def test_rows_come_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "a\n" * 1000)
    assert [len(list(part.rows())) for part in parts(path)] == [512, 488]
