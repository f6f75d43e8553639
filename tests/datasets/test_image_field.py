"""Every way in which a field of a row holds images."""

from typing import Any

import pytest
from vlm_sft.datasets.image_field import images_of

LONG = "/9j/" * 1100  # a JPEG in base64
URI = "data:image/png;base64," + LONG


@pytest.mark.parametrize(
    ("field", "images"),
    [
        (b"x", (b"x",)),
        (b"", (b"",)),
        (" a/b.png ", ("a/b.png",)),
        ("https://a.b/c.png", ("https://a.b/c.png",)),
        (URI, (URI,)),
        (LONG, ("data:;base64," + LONG,)),
        ({"bytes": b"x", "path": "a.png"}, (b"x",)),
        ({"bytes": None, "path": "a.png"}, ("a.png",)),
        ({"bytes": "/9j/", "path": None}, ("data:;base64,/9j/",)),
        (["a.png", {"bytes": b"x"}], ("a.png", b"x")),
        (["a.png", None], ()),
        ([], ()),
        ({}, ()),
        ("  ", ()),
        (None, ()),
        (7, ()),
        ([["a.png"]], ()),
    ],
    ids=lambda value: str(value)[:30],
)
def test_images_of(field: Any, images: Any) -> None:
    assert images_of(field) == images
