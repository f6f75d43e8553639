"""Path in a dataset -> image file under one of several roots. The paths are untrusted; none may leave the roots."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from vlm_sft.datasets.conversation import Image
from vlm_sft.images.decode import decode_problem

WORKERS = 8  # decoding releases the GIL; on a network file system the waiting times overlap


@dataclass(frozen=True, slots=True)
class NoImage:
    """Why a path has no usable file: image_path_unsafe, image_missing, image_outside_root or image_unreadable."""

    reason: str
    detail: str


def is_unsafe(path: str) -> bool:
    """True for a path that is absolute, has a `..` component, or contains a NUL: it could leave the root."""
    climbs = ".." in path and ".." in re.split(r"[/\\]", path)
    return climbs or path.startswith(("/", "\\")) or path[1:2] == ":" or "\0" in path


class ImageFinder(Protocol):
    """What a preparation needs to know about images."""

    def prefetch(self, images: Iterable[Image]) -> None:
        """Look up the images before `find` is called."""

    def find(self, image: Image) -> str | NoImage:
        """Return the path that a sample should name, or why there is none."""

    def take_counts(self) -> Counter[str]:
        """Return how many images were converted since the last call, by kind."""


class UncheckedImages:
    """Names images under `root` (or as they are) without a check, for data prepared without the images."""

    def __init__(self, root: Path | None) -> None:
        self._prefix = f"{os.path.abspath(root)}/" if root else ""  # noqa: PTH100  Path.resolve() would follow links

    def prefetch(self, images: Iterable[Image]) -> None:
        """Nothing to look up."""

    def find(self, image: Image) -> str | NoImage:
        """Return the path below the root, unless it leaves the root."""
        path = str(image)
        return NoImage("image_path_unsafe", path) if is_unsafe(path) else self._prefix + path

    def take_counts(self) -> Counter[str]:
        """Return no counts: nothing is converted."""
        return Counter()


PROBLEMS = ("image_missing", "image_outside_root", "image_unreadable", "image_path_unsafe")


class ImageRoots:
    """Looks up each path once: in every root in order, first as it is, then by each rewrite that matches."""

    def __init__(self, roots: Sequence[Path], rewrites: Iterable[tuple[str, str]]) -> None:
        self._roots = [os.path.abspath(root) for root in roots]  # noqa: PTH100  Path.resolve() would follow links
        self._real_roots = tuple(os.path.realpath(root).rstrip(os.sep) + os.sep for root in roots)
        self._rewrites = [(re.compile(pattern), replacement) for pattern, replacement in rewrites]
        # hash(path) -> number of the candidate that was found, or -1 - number of the problem.
        # Hashes of 64 bits instead of the texts keep the memory for a million images near 70 MiB.
        self._places: dict[int, int] = {}
        self._details: dict[int, str] = {}  # only for files that do not decode

    def find(self, image: Image) -> str | NoImage:
        """Return the absolute path of the first candidate that exists, or why there is none.

        It must be a regular file that decodes, and its real path (links followed) must be under one of the roots.
        """
        path = str(image)
        key = hash(path)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._search(path)
        if place < 0:
            return NoImage(PROBLEMS[-1 - place], self._details.get(key, path))
        found: str = next(islice(self._candidates(path), place, None))
        return found

    def prefetch(self, images: Iterable[Image]) -> None:
        """Look up the new paths in parallel; `find` then reads the results from memory."""
        fresh = list(dict.fromkeys(path for path in map(str, images) if hash(path) not in self._places))
        with ThreadPoolExecutor(WORKERS) as pool:
            for path, place in zip(fresh, pool.map(self._search, fresh), strict=True):
                self._places[hash(path)] = place

    def take_counts(self) -> Counter[str]:
        """Return no counts: nothing is converted."""
        return Counter()

    def _candidates(self, path: str) -> Iterator[str]:
        """Yield every place where the image may be: for each root the path itself, then its rewrites."""
        for root in self._roots:
            yield f"{root}/{path}"
            for pattern, replacement in self._rewrites:
                if match := pattern.fullmatch(path):
                    yield f"{root}/{match.expand(replacement)}"

    def _search(self, path: str) -> int:
        """Return the number of the first candidate that is a complete image, or -1 - number of the problem."""
        if is_unsafe(path):
            return -1 - PROBLEMS.index("image_path_unsafe")
        problem = "image_missing"
        for number, candidate in enumerate(self._candidates(path)):
            if not os.path.isfile(candidate):  # noqa: PTH113  three times as fast as Path, for millions of paths
                continue
            if not os.path.realpath(candidate).startswith(self._real_roots):
                problem = "image_outside_root"
            elif damage := decode_problem(candidate):
                problem = "image_unreadable"
                self._details[hash(path)] = f"{path}: {damage}"
            else:
                return number
        return -1 - PROBLEMS.index(problem)
