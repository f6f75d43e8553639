"""One picture has one spelling and one source, however a dataset writes it."""

import pytest
from vlm_sft.datasets.fire.rows import source_of
from vlm_sft.datasets.image_path import first_folder, is_path, normalised

SPELLINGS = [
    "coco/a/1.jpg",
    "./coco/a/1.jpg",
    "coco//a/1.jpg",
    "coco/./a/1.jpg",
    ".//coco///a/./1.jpg",
    "coco\\a\\1.jpg",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_path_is_the_same_path_and_source(spelling: str) -> None:
    assert (normalised(spelling), source_of(normalised(spelling))) == ("coco/a/1.jpg", "coco")


@pytest.mark.parametrize("image", ["https://a//b/./1.jpg", "data:image/png;base64,a//./b", "file:///a//b", "x://a//b"])
def test_only_paths_are_normalised(image: str) -> None:
    assert normalised(image) == image
    assert not is_path(image)


@pytest.mark.parametrize(("image", "source"), [
    ("1.jpg", "(no folder)"),
    ("http://host.org/coco/1.jpg", "host.org"),
    ("http://", "(no host)"),
    ("DATA:image/png;base64,aa/bb", "(data URI)"),
    ("data:,xx", "(data URI)"),
])  # fmt: skip
def test_what_is_no_path_has_a_source_too(image: str, source: str) -> None:
    assert first_folder(image) == source
