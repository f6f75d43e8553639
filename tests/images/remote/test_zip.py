"""Members of remote zip archives: found by name, read in few ranges, checked; many kinds of archives and damage."""

import contextlib
import copy
import struct
import tracemalloc
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.images.remote import zip_directory, zip_span
from vlm_sft.images.remote.zip_directory import Found, Member, NotAZip, find_members
from vlm_sft.images.remote.zip_span import Damaged, extract, spans
from zip_files import picture, zip_of


class Bytes:
    """An archive in memory with the interface of Web; records the ranges."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges: list[tuple[int, int]] = []

    def size(self, url: str) -> int:
        return len(self.content)

    def read(self, url: str, start: int, end: int) -> bytes:
        assert 0 <= start < end
        self.ranges.append((start, end))
        return self.content[start:end]


def images_of(archive: bytes, wanted: dict[str, list[str]]) -> dict[str, bytes]:
    """Look up and read everything, as a download does."""
    read = {}
    for span in spans(find_members(Bytes(archive), "u", wanted).members):
        content = archive[span.start : span.end]
        for member in span.members:
            read[member.path] = extract(member, content[member.start - span.start : member.end - span.start])
    return read


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("before", [b"", b"#!/bin/sh a program in front of it\n"])
def test_archives_of_every_kind_are_read(method: int, zip64: bool, before: bytes) -> None:
    members = {f"top/images/{n}.jpg": picture(n) for n in range(5)} | {"top/readme.txt": b"text"}
    archive = before + zip_of(members, method, zip64=zip64, comment=b"made by hand")
    wanted = {f"src/{n}.jpg": [f"images/{n}.jpg"] for n in (0, 3, 4)}
    assert images_of(archive, wanted) == {f"src/{n}.jpg": picture(n) for n in (0, 3, 4)}


def test_an_archive_in_zip64_format_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every limit of the old format lowered, zipfile writes the records of ZIP64 for a small archive."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 0)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    archive = zip_of({f"{n}.jpg": picture(n) for n in range(3)}, zip64=True)
    assert b"PK\6\6" in archive
    assert images_of(archive, {"p": ["2.jpg"]}) == {"p": picture(2)}


def test_a_long_directory_takes_a_second_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_directory, "TAIL_BYTES", 100)
    archive = Bytes(zip_of({f"images/{n}.jpg": picture(n) for n in range(60)}))
    assert len(find_members(archive, "u", {"a": ["images/7.jpg"]}).members) == 1
    assert len(archive.ranges) == 2


def test_a_directory_that_fits_into_the_tail_takes_one_request() -> None:
    archive = Bytes(zip_of({f"images/{n}.jpg": picture(n) for n in range(60)}))
    find_members(archive, "u", {})
    assert archive.ranges == [(0, len(archive.content))]


def names_found(names: list[str], *endings: str) -> list[str]:
    archive = zip_of({name: picture(number) for number, name in enumerate(names)})
    return [member.entry.filename for member in find_members(Bytes(archive), "u", {"p": endings}).members]


def test_names_are_compared_by_whole_components_from_the_end() -> None:
    names = ["a/VG_100K_2/1.jpg", "a/VG_100K/11.jpg", "a/xVG_100K/1.jpg", "a/VG_100K/1.jpg/x", "a/VG_100K/1.jpg"]
    assert names_found(names, "VG_100K/1.jpg") == ["a/VG_100K/1.jpg"]
    assert names_found(["1.jpg"], "1.jpg") == ["1.jpg"]
    assert names_found(["./images/1.jpg"], "images/1.jpg") == ["./images/1.jpg"]
    assert names_found(["a/images/1.JPG"], "images/1.jpg") == []


def test_the_likelier_ending_has_priority_anywhere_in_the_archive() -> None:
    assert names_found(["b/1.jpg", "a/images/1.jpg", "c/1.jpg"], "images/1.jpg", "1.jpg") == ["a/images/1.jpg"]


def test_two_different_fitting_members_are_both_ignored() -> None:
    archive = Bytes(zip_of({"train/1.jpg": picture(1), "test/1.jpg": picture(2)}))
    assert find_members(archive, "u", {"p": ["1.jpg"]}) == Found((), {"p": "2 different members end in 1.jpg"})


def test_the_same_image_twice_is_not_ambiguous() -> None:
    archive = Bytes(zip_of({"train/1.jpg": picture(1), "test/1.jpg": picture(1)}))
    assert [member.entry.filename for member in find_members(archive, "u", {"p": ["1.jpg"]}).members] == ["train/1.jpg"]


def patched(archive: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Overwrite bytes of the first record that has this signature."""
    at = archive.index(signature) + offset
    return archive[:at] + value + archive[at + len(value) :]


def test_a_member_outside_the_archive_is_ignored() -> None:
    archive = patched(zip_of({"1.jpg": picture(1)}), b"PK\1\2", 42, struct.pack("<I", 1 << 30))
    assert find_members(Bytes(archive), "u", {"p": ["1.jpg"]}).unusable == {"p": "outside the archive"}


def test_encrypted_and_oversized_members_are_ignored() -> None:
    archive = zip_of({"1.jpg": picture(1)})
    encrypted = patched(archive, b"PK\1\2", 8, struct.pack("<H", 1))
    oversized = patched(archive, b"PK\1\2", 24, struct.pack("<I", 3 << 30))
    assert find_members(Bytes(encrypted), "u", {"p": ["1.jpg"]}).unusable == {"p": "encrypted"}
    assert find_members(Bytes(oversized), "u", {"p": ["1.jpg"]}).unusable == {"p": "larger than an image"}


def test_an_empty_archive_has_nothing() -> None:
    assert find_members(Bytes(zip_of({})), "u", {"p": ["1.jpg"]}) == Found((), {})


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\5\6 cut off", b"<html>sign in</html>" * 99, zip_of({"1.jpg": picture(1)})[:-30]]
)
def test_a_file_that_is_not_a_zip_archive_is_reported(content: bytes) -> None:
    with pytest.raises(NotAZip, match=r"^not a zip archive, or its directory is damaged: "):
        find_members(Bytes(content), "u", {})


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_directory_is_read_or_refused(noise: bytes, at: int) -> None:
    archive = bytearray(zip_of({"1.jpg": b"x" * 50, "2.jpg": b"y" * 50}))
    archive[at : at + len(noise)] = noise
    read: dict[str, bytes] = {}
    with contextlib.suppress(NotAZip, Damaged):
        read = images_of(bytes(archive), {"p": ["1.jpg"], "q": ["2.jpg"]})
    assert read.keys() <= {"p", "q"}


def only_member(archive: bytes) -> tuple[Member, bytes]:
    member = find_members(Bytes(archive), "u", {"p": ["1.jpg"]}).members[0]
    return member, archive[member.start : member.end]


def changed(member: Member, **fields: int) -> Member:
    """Return the member with other values in its directory entry."""
    entry = copy.copy(member.entry)
    for name, value in fields.items():
        setattr(entry, name, value)
    return replace(member, entry=entry)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_changed_byte_is_noticed(method: int) -> None:
    member, content = only_member(zip_of({"1.jpg": b"abc" * 200}, method))
    at = len(content) - member.entry.compress_size + 3
    with pytest.raises(Damaged):
        extract(member, content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :])


def test_each_kind_of_damage_is_reported() -> None:
    member, content = only_member(zip_of({"1.jpg": picture(1)}))
    size = len(picture(1))
    with pytest.raises(Damaged, match=r"^Bad magic number for file header$"):
        extract(member, b"xx" + content)
    with pytest.raises(Damaged, match=r"^File name in directory '1.jpg' and header b'2.jpg' differ\.$"):
        extract(member, content.replace(b"1.jpg", b"2.jpg"))
    with pytest.raises(Damaged, match=r"^Bad CRC-32 for file '1.jpg'$"):
        extract(member, content[:-1])
    with pytest.raises(Damaged, match=r"^Bad CRC-32 for file '1.jpg'$"):
        extract(changed(member, CRC=1), content)
    with pytest.raises(Damaged, match=r"^its data ends early$"):
        extract(changed(member, compress_size=size + 99, file_size=size + 99), content)
    with pytest.raises(Damaged, match=rf"^{size} of {size + 1} bytes$"):
        extract(changed(member, file_size=size + 1), content)


def test_methods_that_zipfile_unpacks_without_a_limit_are_not_used() -> None:
    archive = Bytes(zip_of({"1.jpg": picture(1)}, zipfile.ZIP_BZIP2))
    reason = "compressed by method 12; only stored and deflated members can be read"
    assert find_members(archive, "u", {"p": ["1.jpg"]}) == Found((), {"p": reason})


def test_a_member_that_inflates_beyond_its_size_is_stopped() -> None:
    member, content = only_member(zip_of({"1.jpg": bytes(50 << 20)}, zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match=r"^Bad CRC-32 for file '1.jpg'$"):
            extract(changed(member, file_size=10), content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def at(start: int, end: int) -> Member:
    return Member("p", zipfile.ZipInfo(), start, end)


def test_only_neighbours_share_a_request() -> None:
    gap = zip_span.GAP_BYTES
    members = [at(2 * gap + 201, 2 * gap + 300), at(0, 100), at(100 + gap, 200 + gap)]
    assert [(span.start, span.end) for span in spans(members)] == [(0, 200 + gap), (2 * gap + 201, 2 * gap + 300)]


def test_a_request_has_a_maximum_size_unless_one_image_is_larger() -> None:
    size = zip_span.SPAN_BYTES
    members = [at(0, size // 2), at(size // 2, size), at(size, size + 10), at(size + 10, 3 * size)]
    assert [(span.start, span.end) for span in spans(members)] == [(0, size), (size, size + 10), (size + 10, 3 * size)]
