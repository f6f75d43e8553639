"""Rows that stand twice, in one file or in two, found by 64-bit hashes: 16 bytes a row.

A million different rows give a false finding with a probability of 1 in 30 million.
"""

from array import array
from collections.abc import Sequence
from hashlib import blake2b
from heapq import nsmallest

import orjson

from vlm_sft.check.finding import Findings, Place
from vlm_sft.check.swift_reader import Reading

BUCKETS = 256  # looked at one after the other, so that the dictionary in use stays small
LINE_BITS = 48
Match = tuple[int, int, int]  # line, number of the earlier file, line there


class Hashes:
    """The hash and line of every row of a part of a file."""

    def __init__(self) -> None:
        self.codes, self.lines = array("Q"), array("Q")

    def add(self, reading: Reading, line: int) -> None:
        """Add a row by what is trained on: its texts, roles and images."""
        try:
            text = orjson.dumps([[(message.role, message.text) for message in reading.messages], reading.images])
        except orjson.JSONEncodeError:  # an image that is a long integer; a finding of its own
            return
        self.codes.append(int.from_bytes(blake2b(text, digest_size=8).digest(), "little"))
        self.lines.append(line)


class RepeatedRows:
    """Collects the hashes of all files."""

    def __init__(self) -> None:
        self._buckets = [(array("Q"), array("Q")) for _ in range(BUCKETS)]

    def add(self, file: int, hashes: Hashes, line_offset: int) -> None:
        """Add a part of a file; the parts of all files come in order."""
        for code, line in zip(hashes.codes, hashes.lines, strict=True):
            codes, places = self._buckets[code % BUCKETS]
            codes.append(code)
            places.append(file << LINE_BITS | (line + line_offset))

    def report(self, files: Sequence[tuple[str, Findings]]) -> None:
        """Add what was found to the findings of the later file: `duplicate` and `in_two_files`."""
        for number, (_, findings) in enumerate(files):
            for kind, across in (("duplicate", False), ("in_two_files", True)):
                count = 0
                first: list[Match] = []
                for codes, places in self._buckets:
                    matches = _matches(codes, places, number, across=across)
                    count += len(matches)
                    first = nsmallest(findings.places_kept, first + matches)
                if count:
                    findings.counts[kind] += count
                    findings.places[kind] = [
                        Place(line, "", f"as {files[other][0] + ' ' if across else ''}line {earlier}")
                        for line, other, earlier in first
                    ]


def _matches(codes: "array[int]", places: "array[int]", file: int, *, across: bool) -> list[Match]:
    """Return the rows of a file that stand in it before (`across`: in an earlier file)."""
    first: dict[int, int] = {}
    found = []
    for code, place in zip(codes, places, strict=True):
        number, line = place >> LINE_BITS, place & ((1 << LINE_BITS) - 1)
        if number > file:
            break
        if number < file and across:
            first.setdefault(code, place)
        elif number == file:
            earlier = first.get(code)
            if earlier is not None:
                found.append((line, earlier >> LINE_BITS, earlier & ((1 << LINE_BITS) - 1)))
            elif not across:
                first[code] = place
    return found
