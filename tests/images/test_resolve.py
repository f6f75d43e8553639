"""Untrusted paths -> files: found under the first root with a complete image, and never outside the roots."""

import os
from pathlib import Path

import pytest
from hard_pictures import UNUSABLE, animation, data_uri, encoded, exif, grey16, noise
from PIL import Image
from vlm_sft.datasets.fire.layout import REWRITES
from vlm_sft.datasets.image_path import normalised
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.resolve import ImageRoots, NoImage, UncheckedImages, is_unsafe

ESCAPES = [
    "/etc/hostname",
    "../secret.jpg",
    "a/../../secret.jpg",
    "..",
    "a\\..\\..\\secret.jpg",
    "\\\\host\\x",
    "C:/x",
    "a\0b",
]


def photograph(path: Path, image_format: str = "JPEG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((64, 48), 60).convert("RGB").save(path, format=image_format)
    return path


def test_a_file_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph(tmp_path / "root" / "coco" / "1.jpg")
    monkeypatch.chdir(tmp_path)
    assert ImageRoots([Path("root")], ()).find("coco/1.jpg") == str(tmp_path / "root" / "coco" / "1.jpg")


def test_roots_are_searched_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    photograph(second / "coco" / "1.jpg")
    images = ImageRoots([first, second], ())
    assert images.find("coco/1.jpg") == str(second / "coco" / "1.jpg")
    photograph(first / "coco" / "1.jpg")
    assert images.find("coco/1.jpg") == str(second / "coco" / "1.jpg"), "each path is looked up once"
    assert ImageRoots([first, second], ()).find("coco/1.jpg") == str(first / "coco" / "1.jpg")


def test_a_rewrite_in_the_first_root_has_priority_over_the_second_root(tmp_path: Path) -> None:
    rewritten = photograph(tmp_path / "first" / "coco" / "val2014" / "COCO_val2014_000000000042.jpg")
    photograph(tmp_path / "second" / "coco" / "val2014" / "000000000042.jpg")
    images = ImageRoots([tmp_path / "first", tmp_path / "second"], REWRITES)
    assert images.find("coco/val2014/000000000042.jpg") == str(rewritten)


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_that_leaves_the_root_is_refused_with_and_without_a_check(path: str, tmp_path: Path) -> None:
    photograph(tmp_path / "secret.jpg")
    (tmp_path / "root" / "a").mkdir(parents=True)
    assert ImageRoots([tmp_path / "root"], REWRITES).find(path) == NoImage("image_path_unsafe", path)
    assert UncheckedImages(tmp_path / "root", ImageFolder(tmp_path)).find(path) == NoImage("image_path_unsafe", path)


def test_dots_inside_a_name_are_allowed(tmp_path: Path) -> None:
    found = photograph(tmp_path / "a..b" / "c...jpg")
    assert ImageRoots([tmp_path], ()).find("a..b/c...jpg") == str(found)


def test_a_link_out_of_the_roots_is_refused(tmp_path: Path) -> None:
    photograph(tmp_path / "elsewhere" / "1.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "coco").symlink_to(tmp_path / "elsewhere")
    assert ImageRoots([root], ()).find("coco/1.jpg") == NoImage("image_outside_root", "coco/1.jpg")


def test_a_sibling_folder_with_the_same_prefix_is_outside(tmp_path: Path) -> None:
    photograph(tmp_path / "root-of-others" / "1.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "1.jpg").symlink_to(tmp_path / "root-of-others" / "1.jpg")
    assert ImageRoots([root], ()).find("1.jpg") == NoImage("image_outside_root", "1.jpg")


def test_a_link_into_another_root_is_followed(tmp_path: Path) -> None:
    """The hub's cache consists of links into a folder of blobs: both must be roots."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    photograph(blobs / "4711")
    snapshot.mkdir()
    (snapshot / "1.jpg").symlink_to("../blobs/4711")
    assert ImageRoots([snapshot, blobs], ()).find("1.jpg") == str(snapshot / "1.jpg")


def test_a_root_may_itself_be_a_link(tmp_path: Path) -> None:
    photograph(tmp_path / "disk" / "1.jpg")
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    assert ImageRoots([tmp_path / "root"], ()).find("1.jpg") == str(tmp_path / "root" / "1.jpg")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_truncated_image_is_unreadable(image_format: str, tmp_path: Path) -> None:
    path = photograph(tmp_path / "1.jpg", image_format)
    assert ImageRoots([tmp_path], ()).find("1.jpg") == str(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    found = ImageRoots([tmp_path], ()).find("1.jpg")
    assert isinstance(found, NoImage)
    assert found.reason == "image_unreadable"


@pytest.mark.parametrize(("image_format", "missing_bytes"), [("JPEG", 2), ("JPEG", 200), ("PNG", 6), ("PNG", 20)])
def test_missing_last_bytes_are_noticed(image_format: str, missing_bytes: int, tmp_path: Path) -> None:
    path = photograph(tmp_path / "1.jpg", image_format)
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    found = ImageRoots([tmp_path], ()).find("1.jpg")
    assert isinstance(found, NoImage)
    assert found.reason == "image_unreadable"


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_file_is_named_with_the_reason(name: str, tmp_path: Path) -> None:
    make, reason, detail = UNUSABLE[name]
    (tmp_path / "1.jpg").write_bytes(make())
    assert ImageRoots([tmp_path], ()).find("1.jpg") == NoImage(reason, f"1.jpg: {detail}")


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph(tmp_path / "1.jpg")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert ImageRoots([tmp_path], ()).find("1.jpg") == NoImage("image_unreadable", "1.jpg: Permission denied")


def test_a_complete_image_in_a_later_root_replaces_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "1.jpg").write_bytes(b"")
    whole = photograph(tmp_path / "second" / "1.jpg")
    assert ImageRoots([tmp_path / "first", tmp_path / "second"], ()).find("1.jpg") == str(whole)


def test_folders_and_pipes_are_not_images(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    images = ImageRoots([tmp_path], ())
    assert images.find("folder.jpg") == NoImage("image_missing", "folder.jpg")
    assert images.find("pipe.jpg") == NoImage("image_missing", "pipe.jpg")


def test_a_file_with_a_very_long_name_is_missing(tmp_path: Path) -> None:
    name = "x" * 5000
    assert ImageRoots([tmp_path], ()).find(name) == NoImage("image_missing", name)


def test_prefetching_does_not_change_the_results(tmp_path: Path) -> None:
    photograph(tmp_path / "coco" / "val2017" / "000000000042.jpg")
    (tmp_path / "empty.jpg").write_bytes(b"")
    paths = ["coco/train2014/000000000042.jpg", "empty.jpg", "missing.jpg", "../x.jpg", "missing.jpg"]
    ahead, alone = ImageRoots([tmp_path], REWRITES), ImageRoots([tmp_path], REWRITES)
    ahead.prefetch(paths)
    assert [ahead.find(path) for path in paths] == [alone.find(path) for path in paths]


def test_unchecked_paths_are_named_under_the_root_or_as_they_are(tmp_path: Path) -> None:
    folder = ImageFolder(tmp_path / "folder")
    assert UncheckedImages(tmp_path, folder).find("coco/1.jpg") == str(tmp_path / "coco" / "1.jpg")
    assert UncheckedImages(None, folder).find("coco/1.jpg") == "coco/1.jpg"


SPELLINGS = ["coco/1.jpg", "./coco/1.jpg", "coco//1.jpg", "coco/./1.jpg", ".//coco///./1.jpg", "coco\\1.jpg"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_path_is_one_picture(spelling: str, tmp_path: Path) -> None:
    found = str(photograph(tmp_path / "coco" / "1.jpg"))
    assert normalised(spelling) == "coco/1.jpg"
    assert ImageRoots([tmp_path], ()).find(spelling) == found
    assert UncheckedImages(tmp_path, ImageFolder(tmp_path)).find(spelling) == found


@pytest.mark.parametrize("path", ["/a//b", "\\a", "a/../b", "..\\b"])
def test_a_normalised_path_is_as_unsafe_as_before(path: str) -> None:
    assert is_unsafe(path)
    assert is_unsafe(normalised(path))


def test_unchecked_urls_and_data_uris_stay_as_they_are(tmp_path: Path) -> None:
    images = UncheckedImages(tmp_path, ImageFolder(tmp_path / "folder"))
    for image in ("https://host/1.jpg", "HTTP://host/1.jpg", "data:image/png;base64,xx"):
        assert images.find(image) == image
    for image in ("file:///etc/passwd", "file:x", "ftp://host/1.jpg", "s3://bucket/1.jpg"):
        assert images.find(image) == NoImage("image_path_unsafe", image)
    assert not (tmp_path / "folder").exists()


def test_unchecked_bytes_become_a_file_as_they_are(tmp_path: Path) -> None:
    images, broken = UncheckedImages(None, ImageFolder(tmp_path / "folder")), encoded(noise(), "JPEG")[:-300]
    found = images.find(broken)
    assert isinstance(found, str)
    assert (Path(found).read_bytes(), Path(found).suffix) == (broken, ".jpg")
    assert images.find(b"no image") == str(next((tmp_path / "folder").rglob("*.bin")))
    assert images.take_counts() == {"bytes": 2}


def finder(tmp_path: Path) -> ImageRoots:
    return ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))


def test_a_rotated_file_is_named_by_its_upright_copy_and_counted_each_time(tmp_path: Path) -> None:
    photograph(tmp_path / "root" / "plain.jpg")
    (tmp_path / "root" / "1.jpg").write_bytes(encoded(noise((9, 5)), "JPEG", exif=exif(6)))
    (tmp_path / "root" / "2.gif").write_bytes(animation("GIF"))
    (tmp_path / "root" / "3.png").write_bytes(grey16())
    images = finder(tmp_path)
    images.prefetch(["1.jpg", "2.gif", "3.png", "plain.jpg"])
    found = images.find("1.jpg")
    assert isinstance(found, str)
    assert found.startswith(str(tmp_path / "folder"))
    with Image.open(found) as upright:
        assert (upright.format, upright.size) == ("PNG", (5, 9))
    assert images.find("1.jpg") == found
    assert images.find("2.gif") == str(tmp_path / "root" / "2.gif")
    assert images.find("plain.jpg") == str(tmp_path / "root" / "plain.jpg")
    assert isinstance(images.find("3.png"), str)
    assert images.take_counts() == {"rotated": 2, "animation": 1, "grey16": 1}
    assert images.take_counts() == {}
    assert len(list((tmp_path / "folder").rglob("*.png"))) == 2, "nothing else is copied"


def test_without_a_folder_nothing_is_converted(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(noise(), "JPEG", exif=exif(6)))
    images = ImageRoots([tmp_path], ())
    assert images.find("1.jpg") == str(tmp_path / "1.jpg")
    assert images.find(encoded(noise())) == NoImage("image_missing", f"{len(encoded(noise()))} bytes in the row")


def test_bytes_and_data_uris_of_one_picture_are_one_file(tmp_path: Path) -> None:
    images, content = finder(tmp_path), encoded(noise())
    found = images.find(content)
    assert isinstance(found, str)
    assert Path(found).read_bytes() == content
    assert images.find(data_uri(content)) == found
    assert images.take_counts() == {"bytes": 1, "data_uri": 1}


def test_bytes_are_judged_like_files(tmp_path: Path) -> None:
    images = finder(tmp_path)
    for name, (make, reason, detail) in UNUSABLE.items():
        content = make()
        images.prefetch([content])
        assert images.find(content) == NoImage(reason, f"{len(content)} bytes in the row: {detail}"), name
    assert [path.suffix for path in (tmp_path / "folder").rglob("*.*")] == [".txt"], "only the record"
    assert isinstance(images.find(encoded(noise((9, 5)), "JPEG", exif=exif(8))), str)
    assert images.take_counts() == {"bytes": 1, "rotated": 1}


def test_a_full_disk_ends_the_preparation_instead_of_dropping_rows(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where the folder should be")
    images = ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))
    with pytest.raises(OSError, match="folder"):
        images.prefetch([encoded(noise())])


def test_a_scheme_that_is_not_of_the_web_is_unsafe(tmp_path: Path) -> None:
    for image in ("file:///etc/hostname", "ftp://host/1.jpg", "hf://datasets/a/b/c"):
        assert finder(tmp_path).find(image) == NoImage("image_path_unsafe", image)


def test_an_absolute_path_below_a_root_is_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "1.png")
    roots = ImageRoots([tmp_path], ())
    assert roots.find(f"{tmp_path}/a/1.png") == roots.find("a/1.png") == f"{tmp_path}/a/1.png"
    assert ImageRoots([Path("/")], ()).find(f"{tmp_path}/a/1.png") == f"{tmp_path}/a/1.png"
    for outside in (f"{tmp_path}x/1.png", f"{tmp_path}/../1.png", f"{tmp_path}/a/../../1.png"):
        assert getattr(roots.find(outside), "reason", "") == "image_path_unsafe"
