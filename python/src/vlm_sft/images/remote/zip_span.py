"""Neighbouring members of a zip archive: one request for several, then each member's image. Nothing is trusted."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vlm_sft.images.remote.zip_directory import LOCAL_HEADER_BYTES, Member

GAP_BYTES = 256 << 10  # smaller gaps are read too: at 5 MB/s this takes as long as one round trip of 50 ms
SPAN_BYTES = 8 << 20  # read by one request, unless one member alone is larger
LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field
STORED, DEFLATED = 0, 8


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
    if len(content) < LOCAL_HEADER_BYTES or not content.startswith(b"PK\3\4"):
        raise Damaged("no local header at the place that the directory gives")
    _, name_bytes, extra_bytes = LOCAL_HEADER.unpack_from(content)
    start = LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    packed = content[start : start + member.compressed_bytes]
    if len(packed) < member.compressed_bytes:
        raise Damaged("its data extends into the next member")
    image = _unpacked(member, packed)
    if len(image) != member.image_bytes or zlib.crc32(image) != member.crc:
        raise Damaged("its checksum is wrong")
    return image


def _unpacked(member: Member, packed: bytes) -> bytes:
    if member.method == STORED:
        return packed
    if member.method != DEFLATED:
        raise Damaged(f"compressed by method {member.method}; only stored and deflated members can be read")
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.image_bytes + 1)
    except zlib.error as error:
        raise Damaged(str(error)) from None
