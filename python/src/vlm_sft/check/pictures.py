"""Look up and decode the images that rows name, as ms-swift finds them."""

import base64
import binascii
import io
import os
from pathlib import Path
from typing import Any

from vlm_sft.images.decode import Unusable, judge

MAX_PATH_CHARACTERS = 2000  # ms-swift takes a longer text for base64
SHOWN_CHARACTERS = 80
# Reasons for which a preparation drops an image, although ms-swift trains on it.
USED_ALL_THE_SAME = {"image_too_large": "image_too_large", "image_scale_unknown": "image_scale"}

Problems = tuple[tuple[str, str], ...]  # kind, detail


def place_of(image: Any) -> str | None:  # noqa: ANN401  any JSON value
    """Return the path, URL, data URI or base64 of an image; None if ms-swift cannot read it from JSON."""
    if isinstance(image, dict):
        image = None if image.get("bytes") else image.get("path")  # bytes are not decoded from base64
    return image if isinstance(image, str) else None


class Pictures:
    """Checks every image once in each process; remembers the outcome by 64-bit hashes, 100 bytes an image."""

    def __init__(self, root: str) -> None:
        """Look for relative paths in the working folder, then in `root`, as ms-swift does with ROOT_IMAGE_DIR."""
        self._root = root
        self._known: dict[int, Problems] = {}

    def problems_of(self, image: str) -> Problems:
        """Return the kinds of findings, each with a detail; empty if training sees the image as it is."""
        key = hash(image)
        if key not in self._known:
            self._known[key] = self._look_up(image.strip())
        return self._known[key]

    def _look_up(self, image: str) -> Problems:
        shown = repr(image if len(image) <= SHOWN_CHARACTERS else f"{image[: SHOWN_CHARACTERS - 3]}...")
        if image.startswith("http"):
            return (("image_url", shown),)
        place = self._path_of(image)
        content = None if place else _decoded(image)
        if not place and content is None:
            return (("image_missing", shown),)
        try:
            with Path(place).open("rb") if place else io.BytesIO(content or b"") as file:
                judgement = judge(file)
        except Unusable as problem:
            return ((USED_ALL_THE_SAME.get(problem.reason, "image_undecodable"), f"{shown}: {problem}"),)
        except OSError as error:
            return (("image_undecodable", f"{shown}: {error.strerror or error}"),)
        return tuple((f"image_{name}", shown) for name in (*judgement.conversions, *judgement.notes))

    def _path_of(self, image: str) -> str | None:
        if len(image) > MAX_PATH_CHARACTERS or "\0" in image or not image:
            return None
        for path in (image, os.path.join(self._root, os.path.expanduser(image))):  # noqa: PTH111, PTH118  as ms-swift
            if os.path.isfile(path):  # noqa: PTH113  three times as fast as Path, for millions of paths
                return path
        return None


def _decoded(image: str) -> bytes | None:
    """Return the bytes of a data URI or of base64; None for another text. A short text is a path that is missing."""
    head, _, data = image.partition(";base64,")
    if not head.startswith("data:"):
        if len(image) < 200:  # no image is so small
            return None
        data = image
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
