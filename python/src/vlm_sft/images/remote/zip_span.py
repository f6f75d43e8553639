"""Neighbouring members of a zip archive: one request for several, then each member's image. Nothing is trusted."""

import copy
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vlm_sft.images.remote.zip_directory import Member

GAP_BYTES = 256 << 10  # smaller gaps are read too: at 5 MB/s this takes as long as one round trip of 50 ms
SPAN_BYTES = 8 << 20  # read by one request, unless one member alone is larger
NO_DIRECTORY = b"PK\5\6" + bytes(18)  # the end of an archive without members


class Damaged(Exception):  # noqa: N818  named after what was found
    """A member whose bytes do not match the directory."""


@dataclass(frozen=True)
class Span:
    """A range of an archive and the members in it."""

    start: int
    end: int
    members: tuple[Member, ...]


def spans(members: Iterable[Member]) -> Iterator[Span]:
    """Group neighbouring members into one request each, in the order of the archive."""
    held: list[Member] = []
    for member in sorted(members, key=lambda member: member.start):
        if held and (member.start - held[-1].end > GAP_BYTES or member.end - held[0].start > SPAN_BYTES):
            yield _span(held)
            held = []
        held.append(member)
    if held:
        yield _span(held)


def _span(members: list[Member]) -> Span:
    return Span(members[0].start, max(member.end for member in members), tuple(members))


def extract(member: Member, content: bytes) -> bytes:
    """Return the image in `content`, which begins with the member's local header.

    Raises:
        Damaged: header, size, compression or checksum does not match the directory.
    """
    entry = copy.copy(member.entry)
    entry.header_offset = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content + NO_DIRECTORY)) as archive, archive.open(entry) as file:
            image = file.read(entry.file_size)  # without a size, a member that inflates to gigabytes is read whole
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise Damaged(str(error) or "its data ends early") from None
    if len(image) != entry.file_size:
        raise Damaged(f"{len(image)} of {entry.file_size} bytes")
    return image
