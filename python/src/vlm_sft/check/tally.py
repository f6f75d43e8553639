"""Counts and findings of a file, or of a part of it; parts are merged in the order of the file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_sft.check.column_types import MAX_DEPTH, Type, conflicts, depth
from vlm_sft.check.finding import KINDS, Findings, Place
from vlm_sft.check.pictures import Pictures, place_of
from vlm_sft.check.repeated import Hashes
from vlm_sft.check.row_check import TextRules, findings
from vlm_sft.check.swift_reader import KNOWN, Plan, Reading, RowProblem, read


@dataclass
class Tally:
    """What was counted. Lines are counted from the start of the part."""

    findings: Findings
    lines: int = 0
    rows: int = 0
    rows_lost: int = 0
    blank_lines: int = 0
    crlf_lines: int = 0
    images: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    hashes: Hashes = field(default_factory=Hashes)

    def extend(self, later: "Tally") -> None:
        """Add the counts of the next part; not its hashes, of which the whole file would need too much memory twice."""
        self.findings.extend(later.findings, self.lines)
        for name in ("lines", "rows", "rows_lost", "blank_lines", "crlf_lines", "images"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in ("shapes", "columns", "roles", "answers"):
            getattr(self, name).update(getattr(later, name))


@dataclass(frozen=True)
class FileFacts:
    """What the first 10 MB of a file decide for all of its rows."""

    plan: Plan
    types: Type
    chunk_end: int  # byte; the rows after it must fit `types`


class RowChecker:
    """Checks rows and counts them in `tally`."""

    def __init__(self, facts: FileFacts, rules: TextRules, pictures: Pictures | None, places_kept: int) -> None:
        """`pictures` None leaves out the images."""
        self.tally = Tally(Findings(places_kept))
        self._facts, self._rules, self._pictures = facts, rules, pictures
        plan = facts.plan
        self._text_columns = {*plan.columns.values(), "instruction", "input", "history"}

    def add(self, line: int, row: object, *, is_late: bool, brackets: int) -> None:
        """Check one row. `brackets` is the number of [ and { in its line, an upper bound of its depth."""
        tally = self.tally
        tally.rows += 1
        if brackets > MAX_DEPTH and (levels := depth(row)) > MAX_DEPTH:
            self._found("too_deep", line, "", f"{levels if levels <= MAX_DEPTH + 1 else 'over 63'} levels")
            return
        if row is None:
            row = {}
        if not isinstance(row, dict):
            self._found("not_an_object", line, "", repr(row)[:40])
            return
        tally.columns.update(row.keys())
        tally.shapes["+".join(sorted([name for name in row if name in KNOWN and row[name]])) or "(none)"] += 1
        if is_late:
            self._check_types(line, row)
        for name in self._facts.plan.ignored.keys() & row.keys():
            if row[name] is not None:
                self._found("column_conflict", line, name, f"beside {self._facts.plan.ignored[name]}")
        try:
            reading = read(self._facts.plan, row)
        except RowProblem as problem:
            self._found(problem.kind, line, problem.field, problem.detail)
            tally.rows_lost += KINDS[problem.kind].effect == "lost"
            return
        self._add_reading(line, reading)

    def _add_reading(self, line: int, reading: Reading) -> None:
        tally = self.tally
        roles = [message.role for message in reading.messages]
        tally.roles.update(roles)
        tally.answers[roles.count("assistant")] += 1
        tally.hashes.add(reading, line)
        lost = False
        for kind, name, detail in (*findings(reading, self._rules), *self._images(reading)):
            self._found(kind, line, name, detail)
            lost = lost or KINDS[kind].effect == "lost"
        tally.rows_lost += lost

    def _images(self, reading: Reading) -> Iterator[tuple[str, str, str]]:
        if not reading.images:
            return
        images = reading.images
        self.tally.images += len(images)
        if len({type(image) for image in images if image is not None}) > 1:
            yield "mixed_images", "images", f"{len(images)} images"
        for number, image in enumerate(images):
            place = place_of(image)
            if place is None:
                yield "image_malformed", f"images[{number}]", repr(image)[:60]
            elif self._pictures:
                for kind, detail in self._pictures.problems_of(place):
                    yield kind, f"images[{number}]", detail

    def _check_types(self, line: int, row: Mapping[str, Any]) -> None:
        for kind, path, detail in conflicts(self._facts.types, row):
            if kind != "number_among_texts" or path.split(".")[0].split("[")[0] in self._text_columns:
                self._found(kind, line, path, detail)

    def _found(self, kind: str, line: int, name: str, detail: str) -> None:
        self.tally.findings.add(kind, Place(line, name, detail))
