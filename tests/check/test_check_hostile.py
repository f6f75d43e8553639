"""Files that are not what `check` expects, and options: one error line and an exit code, never a traceback."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vlm_sft.check.cli import check
from vlm_sft.check.json_lines import Range, lines

FINE = b'{"query": "q", "response": "r"}\n'
DEEP = b"[" * 100_000


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(check, arguments)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "empty; need JSON lines or a JSON array"),
        ("a.jsonl", b"\n \n", "empty; need JSON lines or a JSON array"),
        ("a.csv", b"question,answer\n1,2\n", "a table; convert it with `vlm-sft prepare csv --input a.csv`"),
        ("a.parquet", b"PAR1xxxx", "a Parquet file; convert it with `vlm-sft prepare jsonl --input FILE`"),
        ("a.jsonl.gz", b"\x1f\x8b\x08", "compressed by gzip; unpack it with gunzip"),
        ("a.jsonl", b"\xff\xfe{\0", "UTF-16; convert it with iconv -f UTF-16 -t UTF-8"),
        ("a.jsonl", b"version https://git-lfs.github.com", "a Git LFS pointer, not the data itself; download it with"),
        ("a.jsonl", b"hello\n", "starts with b'hello'; need JSON lines ({) or a JSON array ([)"),
        (
            "a.jsonl",
            b'{\n "query": "q"\n}\n',
            "one object over several lines; ms-swift needs one row per line: jq -c . FILE",
        ),
        ("a.json", b'[{"query": "q"}, {"que', "the JSON array is truncated in row 2"),
        ("a.json", b"[1, oops]", "is not JSON"),
        ("a.json", b"[" * 2000, "brackets nested more than a thousand deep"),
    ],
)
def test_file_without_rows_says_what_it_is(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = run(str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {path}: ")
    assert message in result.stderr
    assert result.stdout == ""


def test_all_files_that_cannot_be_checked_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n")
    (tmp_path / "b.jsonl").write_bytes(FINE)
    result = run(str(tmp_path), str(tmp_path / "a.csv"))
    assert result.exit_code == 1
    assert [line.split(": ", 2)[2] for line in result.stderr.splitlines()] == [
        "a folder; give its files: b.jsonl",
        "a table; convert it with `vlm-sft prepare csv --input a.csv`",
    ]


@pytest.mark.parametrize(
    "line",
    [
        DEEP,
        b'{"a": ' + DEEP,
        b'{"query": ' * 5000,
        b'{"messages": "' + b"(" * 100_000 + b'"}',
        b'{"messages": "' + b"[" * 100_000 + b'"}',
        b'{"query": "q", "response": "r", "history": "[' + b"-" * 100_000 + b'1]"}',
        b'{"query": ' + b"9" * 5000 + b"}",
        b'{"query": 1e999, "response": "\\u0000"}',
        b'{"images": [' + b"9" * 300 + b'], "query": "q", "response": "r"}',
        b'{"images": ["data:image/png;base64,AAAA", "\\u0000", "", "~no/x", "/dev/zero"], "query": "", "response": ""}',
        b'{"images": [{"path": {}}, {"bytes": 5}, [], true], "query": "q", "response": "r"}',
        b'{"messages": [{"role": [], "content": {}}]}',
        b'{"messages": [{"role": "user", "content": [{"type": []}, 5]}]}',
        b'{"messages": [{"role": "user", "content": [{"type": "image", "image": {"url": {}}}]}]}',
        b'{"messages": [{"role": "user", "tool_calls": 5}], "objects": {"bbox": {}}}',
        b'{"query": "q", "response": "r", "objects": {"bbox": [[{}, []]], "ref": 5}}',
        b'{"query": "<bbox>", "response": "r", "objects": {"bbox": [], "ref": 5}}',
        b'{"": {"": [null]}, "a": "\\ud800"}',
        b"\x00\x01\x02",
        b"\xef\xbb\xbf",
        b"\r",
    ],
)
def test_hostile_line_is_a_finding(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(FINE + line + b"\n" + FINE)
    result = run(str(path), "--format", "json", "--workers", "1")
    assert result.exit_code in (0, 1)
    assert json.loads(result.stdout)["files"][0]["rows"] >= 2
    assert run(str(path)).stdout.startswith(f"{path}: ")


def test_random_changes_of_bytes_are_survived(tmp_path: Path) -> None:
    generator = random.Random(0)
    talk = [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}]
    objects = {"bbox": [[1, 2]], "ref": ["x"]}
    row = {"messages": talk, "images": ["x.jpg"], "objects": objects, "rejected_response": "b", "system": "s"}
    path = tmp_path / "a.jsonl"
    values = [b"null", b"5", b"[]", b"{}", b'""', b"true", b"[null]", b'"x"', b"1.5", b'{"a": 1}']
    tokens = (b'"q"', b'"a"', b'"user"', b'["x.jpg"]', b"[[1, 2]]", b"1", b'["x"]', b'"text"', b'"b"')
    rows = []
    for _ in range(3000):
        changed = bytearray(json.dumps(row).encode())
        for token in generator.sample(tokens, 2):
            changed = changed.replace(token, generator.choice(values), 1)
        if generator.random() < 0.3:
            changed[generator.randrange(len(changed) - 1)] = generator.randrange(256)
        rows.append(bytes(changed))
    path.write_bytes(b"\n".join(rows))
    assert run(str(path), "--workers", "1").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["gone.jsonl"],
        [],
        ["--max-length", "5", __file__],
        ["--image-root", "gone", __file__],
        ["--places", "0", __file__],
    ],
)
def test_wrong_option_has_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_ranges_have_each_line_once(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.jsonl"
    text = b"\n".join([b"one", b"", b"a longer line\r", b"x" * 120, b"", b"last without an end"])
    path.write_bytes(text)
    found = [
        line for start in range(0, len(text), size) for line in lines(Range(path, start, min(start + size, len(text))))
    ]
    assert [line.text for line in found] == [line.rstrip(b"\r") for line in text.split(b"\n")]
    assert [line.start for line in found] == [0, 4, 5, 20, 141, 142]


def test_workers_do_not_change_the_report(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    text = "x" * 2000
    rows = [
        {"query": f"{number // 2} {text}", "response": "" if number % 1000 == 999 else "r"} for number in range(20_000)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert path.stat().st_size > 32 << 20
    reports = [run(str(path), "--format", "json", "--places", "50", "--workers", count).stdout for count in "13"]
    assert reports[0] == reports[1]
    found = {finding["kind"]: finding for finding in json.loads(reports[0])["findings"]}
    assert [place["line"] for place in found["empty_answer"]["places"]] == list(range(1000, 20_001, 1000))
    assert found["duplicate"]["count"] == 10_000 - 20
