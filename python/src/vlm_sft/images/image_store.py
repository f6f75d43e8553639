"""Image bytes -> a file under the image root, at the path that the dataset gives. Complete, or not written."""

import io
import os
from pathlib import Path

from vlm_sft.atomic_file import atomic_write
from vlm_sft.images.decode import Unusable, judge
from vlm_sft.images.resolve import is_unsafe


class NotStored(Exception):  # noqa: N818  named after the result
    """Training cannot use the image, or its path leads out of the root."""


class ImageStore:
    """The folder that receives the images."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._real_root = os.path.realpath(root).rstrip(os.sep) + os.sep

    def put(self, path: str, image: bytes) -> None:
        """Write one image under its path.

        Raises:
            NotStored: see the class.
            OSError: the disk is full, or the folder not writable.
        """
        target = self.root / path
        if is_unsafe(path) or not self._is_inside(target):
            raise NotStored("its path leads out of the image root")
        try:
            judge(io.BytesIO(image))
        except Unusable as problem:
            raise NotStored(str(problem)) from None
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(image)

    def _is_inside(self, target: Path) -> bool:
        """Follow links among the folders of `target`. The last component is not followed: it is replaced."""
        return (os.path.realpath(target.parent) + os.sep).startswith(self._real_root)
