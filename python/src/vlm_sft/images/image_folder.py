"""A folder of pictures, each named by a digest of its content: the same picture is one file, whoever writes it."""

import hashlib
import os
from pathlib import Path

from vlm_sft.atomic_file import atomic_write

DIGEST_LETTERS = 32  # 128 bits; ms-swift reads a path of over 200 characters in another way


class ImageFolder:
    """A folder for pictures that have no usable file of their own. Many processes and pods may write to it at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100  Path.resolve() would follow links

    def put(self, content: bytes, suffix: str) -> str:
        """Write a picture if it is not there, and return its name: `ab/abcdef.png`.

        Raises:
            OSError: the disk is full, or the folder not writable.
        """
        digest = digest_of(content)
        name = f"{digest[:2]}/{digest}{suffix}"
        target = self.root / name
        if _size(target) != len(content):
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as file:
                file.write(content)
        return name

    def path(self, name: str) -> str:
        """Return the absolute path of a picture."""
        return f"{self.root}/{name}"

    def name_of(self, path: str) -> str:
        """Return the name of a picture from its absolute path."""
        return path.removeprefix(f"{self.root}/")

    def has(self, name: str) -> bool:
        """Return whether the picture is there."""
        return _size(self.root / name) > 0


def digest_of(content: bytes) -> str:
    """Return the digest of a picture's content."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_LETTERS]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
