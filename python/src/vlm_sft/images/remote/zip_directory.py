"""The directory of a remote zip archive: which members are the wanted images, and at which bytes. Supports ZIP64."""

import io
import struct
import zipfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from remotezip import PartialBuffer, RemoteZip, RemoteZipError

TAIL_BYTES = 1 << 20  # the end of the file, read at once: its directory, or a large part of it
LOCAL_HEADER_BYTES = 30
MAX_EXTRA_BYTES = 4096  # local header's extra field and data descriptor; usually below 50
MAX_IMAGE_BYTES = 64 << 20  # far above any photograph; a forged size must not fill the memory
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others without a limit


class Remote(Protocol):
    """A file that can be read by ranges."""

    def size(self, url: str) -> int:
        """Return its length in bytes."""

    def read(self, url: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, but not including, `end`."""


class NotAZip(Exception):  # noqa: N818  named after what was found
    """The file is not a zip archive, or its directory is damaged."""


@dataclass(frozen=True, slots=True)
class Member:
    """One image in an archive. Its local header begins at `start`; its data ends before `end`."""

    path: str  # of the image, as the dataset writes it
    entry: zipfile.ZipInfo
    start: int
    end: int


@dataclass(frozen=True)
class Found:
    """The wanted images in a directory."""

    members: tuple[Member, ...]
    unusable: Mapping[str, str]  # path -> why the image is not used


def find_members(remote: Remote, url: str, wanted: Mapping[str, Sequence[str]]) -> Found:
    """Find the member of each path in `wanted` (path -> possible endings of the member's name, likeliest first).

    Raises:
        NotAZip: see the class.
        Exception: whatever `remote` raises.
    """
    try:
        with RemoteZip(url, TAIL_BYTES, fetcher=partial(_Fetcher, remote)) as archive:
            entries, directory_start = archive.infolist(), archive.start_dir
    except (RemoteZipError, zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OSError) as error:
        raise NotAZip(f"not a zip archive, or its directory is damaged: {error}") from None
    starts = sorted(entry.header_offset for entry in entries)
    starts.append(directory_start)
    members, unusable = [], {}
    for path, (ending, fitting) in _fitting(entries, wanted).items():
        entry = fitting[0]
        if problem := _problem(ending, fitting):
            unusable[path] = problem
        elif not 0 <= entry.header_offset < directory_start:
            unusable[path] = "outside the archive"
        else:
            end = min(starts[bisect_right(starts, entry.header_offset)], entry.header_offset + _max_bytes(entry))
            members.append(Member(path, entry, entry.header_offset, end))
    return Found(tuple(members), unusable)


def _problem(ending: str, fitting: Sequence[zipfile.ZipInfo]) -> str:
    """Return why none of the fitting entries is used, or an empty text."""
    if len({(entry.CRC, entry.file_size) for entry in fitting}) > 1:
        return f"{len(fitting)} different members end in {ending}"
    entry = fitting[0]
    if entry.flag_bits & ENCRYPTED:
        return "encrypted"
    if max(entry.file_size, entry.compress_size) > MAX_IMAGE_BYTES:
        return "larger than an image"
    if entry.compress_type not in METHODS:
        return f"compressed by method {entry.compress_type}; only stored and deflated members can be read"
    return ""


def _fitting(
    entries: Iterable[zipfile.ZipInfo], wanted: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, list[zipfile.ZipInfo]]]:
    """Return for each path that is found: the first fitting ending, and the entries whose names have it."""
    endings = defaultdict(list)  # last component -> (whole ending, its rank, path)
    for path, ends in wanted.items():
        for rank, ending in enumerate(ends):
            endings[ending.rpartition("/")[2]].append((f"/{ending}", rank, path))
    best: dict[str, tuple[int, list[zipfile.ZipInfo]]] = {}
    for entry in entries:
        name = "/" + entry.filename.replace("\\", "/").removeprefix("./").lstrip("/")
        for ending, rank, path in endings.get(name.rpartition("/")[2], ()):
            if not name.endswith(ending):
                continue
            known = best.get(path)
            if known is None or rank < known[0]:
                best[path] = (rank, [entry])
            elif rank == known[0]:
                known[1].append(entry)
    return {path: (wanted[path][rank], fitting) for path, (rank, fitting) in best.items()}


def _max_bytes(entry: zipfile.ZipInfo) -> int:
    return LOCAL_HEADER_BYTES + len(entry.filename.encode()) + MAX_EXTRA_BYTES + entry.compress_size


class _Fetcher:
    """What remotezip reads with: ranges by `remote`, and so with its retries and waiting times."""

    def __init__(self, remote: Remote, url: str, session: None, *, support_suffix_range: bool) -> None:
        self._remote, self._url = remote, url
        self._length = remote.size(url)

    def fetch(self, data_range: tuple[int, int | None], *, stream: bool) -> PartialBuffer:
        first, last = data_range
        if last is None:
            first, last = self._length + first, self._length - 1
        start, end = max(0, first), min(last + 1, self._length)  # zipfile looks for ZIP64 before a short file's start
        content = self._remote.read(self._url, start, end) if start < end else b""
        return PartialBuffer(io.BytesIO(content), start, len(content), stream)
