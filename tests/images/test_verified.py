"""A verdict survives the process; whatever happens to the record, a picture is at worst decoded again."""

import os
import random
from pathlib import Path
from typing import BinaryIO

import pytest
from hard_pictures import UNUSABLE, animation, encoded, exif, grey16, noise
from vlm_sft.images import pictures
from vlm_sft.images.decode import Judgement
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.resolve import ImageRoots, NoImage
from vlm_sft.images.verified import USABLE, Verdict, Verified, key_of

VERDICTS = {
    1: USABLE,
    2: Verdict(kinds=("animation",)),
    3: Verdict("image_unreadable", "a \ud800 letter that is none"),
    2**64 - 1: Verdict(kinds=("rotated", "grey16"), suffix=".png", name="ab/abcdef.png"),
}
NAMES = ("plain.jpg", "animation.gif", "rotated.jpg", "grey.png", "wide.png", "empty.png")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are decoded from now on."""
    names: list[str] = []
    original = pictures.judge

    def record(file: BinaryIO) -> Judgement:
        names.append(Path(getattr(file, "name", "bytes")).name)
        return original(file)

    monkeypatch.setattr(pictures, "judge", record)
    return names


def written(folder: Path) -> Verified:
    verified = Verified(folder)
    for key, verdict in VERDICTS.items():
        verified.add(key, verdict)
    verified.write()
    return verified


def test_every_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    written(tmp_path)
    read = Verified(tmp_path)
    assert {key: read.get(key) for key in VERDICTS} == VERDICTS
    assert read.get(0) is read.get(4) is None


def test_a_record_that_is_cut_off_anywhere_holds_its_whole_lines(tmp_path: Path) -> None:
    written(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        read = Verified(tmp_path)
        lines = whole[:length].count(b"\n")
        assert [read.get(key) for key in VERDICTS] == [*list(VERDICTS.values())[:lines], *[None] * (4 - lines)]


def test_damaged_lines_are_skipped(tmp_path: Path) -> None:
    generator = random.Random(1)
    written(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        content[generator.randrange(len(content))] = generator.randrange(256)
        path.write_bytes(content)
        read = Verified(tmp_path)
        assert sum(read.get(key) == verdict for key, verdict in VERDICTS.items()) >= 2
    for line in (b'{"kinds":[[]]}', b'{"kinds":1}', b'{"detail":{}}', b'{"other":""}', b"{", b"[]"):
        path.write_bytes(b"0000000000000001 " + line + b"\n")
        assert Verified(tmp_path).get(1) is None


def test_a_place_that_cannot_be_written_means_no_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    verified = written(tmp_path / "file")
    assert verified.get(1) is None, "the caller remembers it"
    assert verified.get(2) == VERDICTS[2]
    assert Verified(tmp_path / "file").get(2) is None


def test_a_picture_is_another_one_when_anything_of_it_changes() -> None:
    keys = {key_of("file", "/a", 1, 2), key_of("file", "/a", 12, 2), key_of("file", "/a", 1, 3), key_of("url", "/a", 1)}
    assert len(keys) == 4


def fill(root: Path) -> None:
    root.mkdir()
    contents = [encoded(noise(), "JPEG"), animation("GIF"), encoded(noise(), "JPEG", exif=exif(6)), grey16(),
                UNUSABLE["ratio 201"][0](), b""]  # fmt: skip
    for name, content in zip(NAMES, contents, strict=True):
        (root / name).write_bytes(content)


def look_up(tmp_path: Path) -> tuple[list[str | NoImage], dict[str, int]]:
    images = ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))
    images.prefetch(NAMES)
    return [images.find(name) for name in NAMES], images.take_counts()


def test_a_second_preparation_decodes_nothing_and_finds_the_same(tmp_path: Path, decoded: list[str]) -> None:
    fill(tmp_path / "root")
    first = look_up(tmp_path)
    assert sorted(decoded) == sorted(NAMES)
    assert first[1] == {"animation": 1, "rotated": 1, "grey16": 1}
    decoded.clear()
    assert (look_up(tmp_path), decoded) == (first, [])
    assert len(list((tmp_path / "folder" / "verified").iterdir())) == 1, "nothing new, no second file"


def test_a_changed_file_and_a_lost_copy_are_looked_at_again(tmp_path: Path, decoded: list[str]) -> None:
    fill(tmp_path / "root")
    first = look_up(tmp_path)
    decoded.clear()
    (tmp_path / "root" / "plain.jpg").write_bytes(b"")
    Path(str(first[0][2])).unlink()
    os.utime(tmp_path / "root" / "grey.png", ns=(1, 1))
    found, counts = look_up(tmp_path)
    assert found == [NoImage("image_empty", "plain.jpg: 0 bytes"), *first[0][1:]]
    assert counts == first[1]
    assert sorted(decoded) == ["grey.png", "plain.jpg", "rotated.jpg"]
    assert Path(str(found[2])).exists()


def test_bytes_are_remembered_too(tmp_path: Path, decoded: list[str]) -> None:
    content = encoded(noise())
    for _ in range(2):
        images = ImageRoots([], (), ImageFolder(tmp_path))
        images.prefetch([content])
        images.prefetch([])
        images.prefetch([content])
        assert isinstance(images.find(content), str)
    assert decoded == ["bytes"]


def test_an_unreadable_file_is_tried_again(tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "1.png").write_bytes(encoded(noise()))

    def fail(_: BinaryIO) -> Judgement:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "judge", fail)
        images = ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))
        assert images.find("1.png") == NoImage("image_unreadable", "1.png: Input/output error")
        images.close()
    images = ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))
    assert images.find("1.png") == str(tmp_path / "root" / "1.png")
    assert decoded == ["1.png"]
