"""Recognise files that are not JSON rows, and name the command that reads them."""

import json
from collections.abc import Iterator
from pathlib import Path

FIRST_BYTES = 1 << 20
OTHER_FORMATS = {
    b"PAR1": "a Parquet file; convert it with `vlm-sft prepare jsonl --input FILE`",
    b"PK\x03\x04": "a ZIP archive; unpack it",
    b"\x1f\x8b": "compressed by gzip; unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it with unzstd",
    b"version https://git-lfs": "a Git LFS pointer, not the data itself; download it with `git lfs pull`",
    b"\xff\xfe": "UTF-16; convert it with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16; convert it with iconv -f UTF-16 -t UTF-8",
}


def problem_of(path: Path) -> str | None:
    """Describe why `path` has no JSON rows, with the way out; None if it may have some.

    Raises:
        OSError: the file is not readable.
    """
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir() if file.suffix in (".json", ".jsonl"))
        return f"a folder; give its files: {', '.join(names[:5]) or 'it has no .jsonl or .json file'}"
    if not path.is_file():
        return "not a regular file"
    with path.open("rb") as file:
        head = file.read(FIRST_BYTES)
    if not head.strip():
        return "empty; need JSON lines or a JSON array"
    if path.suffix.lower() in (".csv", ".tsv"):
        return f"a table; convert it with `vlm-sft prepare csv --input {path.name}`"
    for magic, description in OTHER_FORMATS.items():
        if head.startswith(magic):
            return description
    return next(_texts(head.removeprefix(b"\xef\xbb\xbf")), None)


def _texts(head: bytes) -> Iterator[str]:
    start = head.lstrip()[:1]
    if start not in (b"{", b"["):
        yield f"starts with {head.split()[0][:20]!r}; need JSON lines ({{) or a JSON array ([)"
    elif start == b"{" and _is_over_lines(head):
        yield "one object over several lines; ms-swift needs one row per line: jq -c . FILE > NEW.jsonl"


def _is_over_lines(head: bytes) -> bool:
    """Return whether the first line alone is not JSON, but together with the next ones is."""
    text = head.decode("utf-8", "replace").lstrip()
    first = text.split("\n", 1)[0]
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        pass
    else:
        return False
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return False
    return "\n" in text[:end]
