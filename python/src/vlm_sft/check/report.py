"""The report of a check: counts first, then every kind of finding with its first places and the way out."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vlm_sft.check.file_check import CheckedFile
from vlm_sft.check.finding import EFFECTS, KINDS, PREPARE, Place
from vlm_sft.check.tokens import TokenFigures

MOST_SHOWN = 8  # different shapes, roles or columns in the text
IMAGE_KINDS = [kind for kind in KINDS if kind.startswith("image_") and kind != "image_tag_in_answer"]

Tokens = Mapping[str, TokenFigures | None]  # file name -> figures


def is_fine(files: Sequence[CheckedFile]) -> bool:
    """Return whether no finding loses or spoils a row."""
    return all(KINDS[kind].effect == "note" for file in files for kind in file.tally.findings.counts)


def as_text(files: Sequence[CheckedFile], tokens: Tokens, *, with_images: bool) -> str:
    """Return the report for people; `with_images` False: they were not checked."""
    lines = [line for file in files for line in _counts(file, tokens.get(file.name), with_images)]
    for effect, meaning in EFFECTS.items():
        kinds = [kind for kind in KINDS if KINDS[kind].effect == effect and _total(files, kind)]
        lines += ["", f"{meaning}:"] * bool(kinds)
        for kind in kinds:
            lines += _finding(files, kind)
    wrong = [file for file in files if any(_is_for_prepare(kind) for kind in file.tally.findings.counts)]
    lines += ["", "drops or corrects rows, each by name:"] * bool(wrong)
    lines += [f"  {PREPARE.format(file=file.name)}" for file in wrong]
    return "\n".join(lines)


def _is_for_prepare(kind: str) -> bool:
    return KINDS[kind].way_out == PREPARE and KINDS[kind].effect != "note"


def as_json(files: Sequence[CheckedFile], tokens: Tokens) -> str:
    """Return an object with one object per file, and one per kind of finding and file."""
    findings = [
        {
            "kind": kind,
            "effect": KINDS[kind].effect,
            "reason": KINDS[kind].reason,
            "file": file.name,
            "count": count,
            "places": [_place(file, place) for place in file.tally.findings.places[kind]],
            "way_out": KINDS[kind].way_out.format(file=file.name),
        }
        for file in files
        for kind, count in sorted(file.tally.findings.counts.items())
    ]
    counts = [_file(file, tokens.get(file.name)) for file in files]
    return json.dumps({"fine": is_fine(files), "files": counts, "findings": findings}, indent=2)


def _file(file: CheckedFile, tokens: TokenFigures | None) -> dict[str, Any]:
    tally = file.tally
    return {
        "file": file.name,
        "bytes": file.size_bytes,
        "read_by": file.facts.plan.reader,
        **{name: getattr(tally, name) for name in ("rows", "rows_lost", "blank_lines", "crlf_lines", "images")},
        **{name: dict(sorted(getattr(tally, name).items())) for name in ("shapes", "columns", "roles", "answers")},
        "columns_not_read": _not_read(file),
        "tokens": asdict(tokens) if tokens else None,
    }


def _place(file: CheckedFile, place: Place) -> dict[str, Any]:
    return {"row" if file.is_array else "line": place.line, "field": place.field, "detail": place.detail}


def _counts(file: CheckedFile, tokens: TokenFigures | None, with_images: bool) -> Iterator[str]:
    tally, found = file.tally, file.tally.findings.counts
    yield (
        f"{file.name}: {tally.rows:,} rows, {file.size_bytes / 1e6:,.1f} MB, read as {file.facts.plan.reader}; "
        f"{tally.rows_lost:,} rows lost"
    )
    for title, counter in (("shapes", tally.shapes), ("roles", tally.roles), ("answers per row", tally.answers)):
        if counter:
            yield f"  {title}: {_most(counter)}"
    if tally.images:
        problems = ", ".join(f"{found[kind]:,} {kind.removeprefix('image_')}" for kind in IMAGE_KINDS if found[kind])
        checked = problems or "all decode" if with_images else "not checked"
        yield f"  images: {tally.images:,} named; {checked}"
    if names := _not_read(file):
        yield f"  columns that ms-swift does not read: {', '.join(names[:MOST_SHOWN])}"
    if tally.crlf_lines or tally.blank_lines:
        yield f"  {tally.blank_lines:,} blank lines, {tally.crlf_lines:,} lines that end with CRLF"
    if tokens:
        over = (
            "" if tokens.over_max_length is None else f", {tokens.over_max_length / tokens.rows:.1%} over --max-length"
        )
        yield (
            f"  tokens of {tokens.rows:,} rows: median {tokens.median:,.0f}, largest {tokens.largest:,}{over}; "
            f"{tokens.image_share:.0%} are image tokens"
        )


def _finding(files: Sequence[CheckedFile], kind: str) -> Iterator[str]:
    about = KINDS[kind]
    yield f"  {_total(files, kind):>9,}  {kind}: {about.reason}"
    having = [file for file in files if file.tally.findings.counts[kind]]
    kept = having[0].tally.findings.places_kept
    shown = [(file, place) for file in having for place in file.tally.findings.places[kind]]
    for file, place in shown[:kept]:
        line = f":{'row ' if file.is_array else ''}{place.line}" if place.line else ""
        texts = [text for text in (f"{file.name}{line}", place.field, place.detail) if text]
        yield f"{'':13}{': '.join(texts)}"
    if about.way_out != PREPARE:
        yield f"{'':11}-> {about.way_out.format(file=having[0].name)}"


def _total(files: Sequence[CheckedFile], kind: str) -> int:
    return sum(file.tally.findings.counts[kind] for file in files)


def _most(counter: Counter[Any]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in counter.most_common(MOST_SHOWN))
    rest = len(counter) - MOST_SHOWN
    return f"{shown}, and {rest:,} more" if rest > 0 else shown


def _not_read(file: CheckedFile) -> list[str]:
    return sorted(file.tally.columns.keys() - file.facts.plan.read_columns)
