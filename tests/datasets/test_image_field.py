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
        ({"bytes": "", "path": "a.png"}, ("a.png",)),
        ({"url": "https://a.b/c.png"}, ("https://a.b/c.png",)),
        (["a.png", {"bytes": b"x"}], ("a.png", b"x")),
        ('["a.png", "b.png"]', ("a.png", "b.png")),
        ("['a.png', 'b.png']", ("a.png", "b.png")),
        ("[1].png", ("[1].png",)),
        ([], ()),
        ("[]", ()),
        ("  ", ()),
        ("nan", ()),
        (float("nan"), ()),
        (None, ()),
        (["a.png", None], None),
        ({}, None),
        ({"bytes": b"", "path": None}, None),
        (7, None),
        ([["a.png"]], None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_images_of(field: Any, images: Any) -> None:
    assert images_of(field) == images
