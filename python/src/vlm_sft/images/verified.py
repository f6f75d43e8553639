"""What was found out about each picture, on disk, so that no later preparation and no other pod decodes it again.

Each process appends to a file of its own: one line per picture, a key of 64 bits and what differs from a usable file:

    5f0c1d0f3a9b7e21
    9d3e6a5b2c4f8071 {"kinds": ["rotated"], "name": "3a/3a5f....png"}
"""

import hashlib
import json
import os
import re
import secrets
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import PIL

RULES = 1  # increase it when judge() changes, so that older verdicts do not apply
LINE = re.compile(rb"([0-9a-f]{16})(?: (\{.*\}))?\n")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A picture's judgement, and the file that a sample names. The default: the picture's own file is usable."""

    reason: str = ""  # of a drop
    detail: str = ""
    kinds: tuple[str, ...] = ()  # conversions, and animation
    suffix: str = ""  # of a picture that has no file of its own
    name: str = ""  # of its file in the image folder, if it is not a digest of this picture


USABLE = Verdict()


def key_of(*parts: str | int) -> int:
    """Return a key of 64 bits for what identifies a picture: its real path, size and time, or a digest."""
    text = "\0".join(map(str, (RULES, PIL.__version__, *parts))).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


class Verified:
    """The verdicts of all processes so far. A folder that cannot be read or written only means no memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Sorted keys for verdicts that many pictures share: 8 bytes for each of a million pictures.
        self._shared: dict[Verdict, array[int]] = {}
        self._single: dict[int, Verdict] = {}
        self._lock = threading.Lock()
        self._unwritten: list[bytes] = []
        self._file: tuple[int, Path] | None = None  # of this process; a forked one gets its own
        for key, verdict in _read(folder):
            if verdict.name or verdict.detail:
                self._single[key] = verdict
            else:
                self._shared.setdefault(verdict, array("Q")).append(key)
        self._shared = {verdict: array("Q", sorted(keys)) for verdict, keys in self._shared.items()}

    def get(self, key: int) -> Verdict | None:
        """Return the verdict of a picture; None if it was not seen."""
        for verdict, keys in self._shared.items():
            at = bisect_left(keys, key)
            if at < len(keys) and keys[at] == key:
                return verdict
        return self._single.get(key)

    def add(self, key: int, verdict: Verdict) -> None:
        """Keep a verdict."""
        if verdict != USABLE:  # the caller remembers usable files
            self._single[key] = verdict
        fields = {name: value for name, value in asdict(verdict).items() if value}
        line = b"%016x" % key + (b" " + json.dumps(fields).encode() if fields else b"") + b"\n"
        with self._lock:
            self._unwritten.append(line)

    def write(self) -> None:
        """Append the new verdicts to this process's file."""
        with self._lock:
            lines, self._unwritten = b"".join(self._unwritten), []
            if not lines:
                return
            if self._file is None or self._file[0] != os.getpid():
                name = f"{os.uname().nodename}.{os.getpid()}.{secrets.token_hex(4)}.txt"
                self._file = os.getpid(), self._folder / name
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with self._file[1].open("ab") as file:
                    file.write(lines)
            except OSError:
                self._file = None  # the next lines go to a new file: this one may end within a line


def _read(folder: Path) -> Iterator[tuple[int, Verdict]]:
    """Yield what is readable: a line that a killed process cut off is skipped."""
    try:
        paths = sorted(folder.glob("*.txt"))
    except OSError:
        return
    for path in paths:
        try:
            with path.open("rb") as file:
                yield from filter(None, map(_parsed, file))
        except OSError:
            continue


def _parsed(line: bytes) -> tuple[int, Verdict] | None:
    match = LINE.fullmatch(line)
    verdict = _verdict(match[2] or b"{}") if match else None
    return (int(match[1], 16), verdict) if match and verdict else None


@lru_cache  # most lines say the same
def _verdict(fields: bytes) -> Verdict | None:
    try:
        values = json.loads(fields)
        values["kinds"] = tuple(values.get("kinds", ()))
        verdict = Verdict(**values)
    except (ValueError, TypeError):
        return None
    texts = (verdict.reason, verdict.detail, *verdict.kinds, verdict.suffix, verdict.name)
    return verdict if all(isinstance(text, str) for text in texts) else None
