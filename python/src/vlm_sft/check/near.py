"""Rows of two files that are nearly the same: MinHash of word shingles, compared only if they name the same images.

All files but the largest are kept in an index, against which the next larger file is read: 1 KiB for each row of it.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from rensa import RMinHash, RMinHashLSH

from vlm_sft.check.file_check import CheckedFile, CheckedPart
from vlm_sft.check.finding import Place
from vlm_sft.check.readings import readings
from vlm_sft.check.swift_reader import Reading
from vlm_sft.prepare.workers import in_order

KIND = "near_in_two_files"
SIMILARITY = 0.8  # share of common shingles (Jaccard)
PERMUTATIONS, BANDS = 128, 16  # standard error 0.03; a pair at 0.8 is found with 95 %, at 0.9 with 99.99 %
SHINGLE_WORDS = 5
MIN_SHINGLES = 8  # shorter texts are alike by chance
CHARACTERS_PER_WORD = 15  # more: a language without spaces
MAX_ROWS = 200_000  # of the index


class _Sketch(NamedTuple):
    images: int  # hash, the seed of the signature
    text: bytes  # hash; equal rows are findings of another kind
    signature: RMinHash


class _Index:
    """The rows of the smaller files."""

    def __init__(self) -> None:
        self._buckets = RMinHashLSH(SIMILARITY, PERMUTATIONS, BANDS)
        self._sketches: list[_Sketch] = []
        self.places: list[tuple[CheckedFile, int]] = []

    def add(self, file: CheckedFile, line: int, sketch: _Sketch) -> None:
        """Add a row."""
        self._buckets.insert(len(self.places), sketch.signature)
        self._sketches.append(sketch)
        self.places.append((file, line))

    def near(self, sketch: _Sketch) -> Iterator[tuple[int, float]]:
        """Yield the numbers of the rows that are nearly the same, with their similarity."""
        for number in self._buckets.query(sketch.signature):
            other = self._sketches[number]
            if other.images == sketch.images and other.text != sketch.text:
                similarity = sketch.signature.jaccard(other.signature)
                if similarity >= SIMILARITY:
                    yield number, similarity


def find_near(files: Sequence[CheckedFile], workers: int) -> str:
    """Add a finding for each row of the smaller files that nearly stands in a larger one; return why not, or ""."""
    ascending = sorted(files, key=lambda file: file.size_bytes)
    rows = sum(file.tally.rows for file in ascending[:-1])
    if rows > MAX_ROWS:
        return f"nearly equal rows are not looked for: {rows:,} rows beside the largest file, limit {MAX_ROWS:,}"
    index = _Index()
    found: dict[int, str] = {}
    for file in ascending:
        if index.places:
            for part, matches in in_order(partial(_matches, file, index), iter(file.parts), workers):
                for number, line, similarity in matches:
                    place = f"as {file.name} line {line + part.lines_before}, {similarity:.0%} alike"
                    found.setdefault(number, place)
        if file is not ascending[-1]:
            _fill(index, file)
    for number, detail in sorted(found.items()):
        of_file, line = index.places[number]
        of_file.tally.findings.add(KIND, Place(line, "", detail))
    return ""


def _fill(index: _Index, file: CheckedFile) -> None:
    for part in file.parts:
        for line, reading in readings(file.path, file.facts.plan, part.lines):
            if sketch := _sketch(reading):
                index.add(file, line + part.lines_before, sketch)


def _matches(file: CheckedFile, index: _Index, part: CheckedPart) -> list[tuple[int, int, float]]:
    """Return (number in the index, line, similarity) of the rows of a part."""
    return [
        (number, line, similarity)
        for line, reading in readings(file.path, file.facts.plan, part.lines)
        if (sketch := _sketch(reading))
        for number, similarity in index.near(sketch)
    ]


def _sketch(reading: Reading) -> _Sketch | None:
    """Return a row's sketch; None if its text is short."""
    text = " ".join([message.text for message in reading.messages if message.role != "system"])
    words = text.split()
    units = words if len(text) < CHARACTERS_PER_WORD * len(words) else list(text)
    if len(units) < MIN_SHINGLES + SHINGLE_WORDS - 1:
        return None
    images = int.from_bytes(_hash(repr(reading.images)), "little")
    signature = RMinHash(PERMUTATIONS, images)
    signature.update(list(map(" ".join, zip(*(units[start:] for start in range(SHINGLE_WORDS)), strict=False))))
    return _Sketch(images, _hash(text), signature)


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()
