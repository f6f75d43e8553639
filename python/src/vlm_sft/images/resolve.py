"""What a dataset gives as an image -> a picture file that training can use.

A path is looked up under the image roots; it is untrusted and must not leave them. A URL, a data URI or the bytes of a
picture become a file in the image folder, and so does a picture that must be converted.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from vlm_sft.datasets.conversation import Image
from vlm_sft.datasets.image_path import URL, is_path, normalised
from vlm_sft.images.content import shown
from vlm_sft.images.decode import Unusable, suffix_of
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.pictures import Pictures, Usable

WORKERS = 4  # threads of each process: decoding releases the GIL; on a network file system the waiting times overlap


@dataclass(frozen=True, slots=True)
class NoImage:
    """Why an image cannot be used; `reason` is a key of REASONS."""

    reason: str
    detail: str


def is_unsafe(path: str) -> bool:
    """True for a path that is absolute, has a `..` component, or contains a NUL: it could leave the root."""
    climbs = ".." in path and ".." in re.split(r"[/\\]", path)
    return climbs or path.startswith(("/", "\\")) or path[1:2] == ":" or "\0" in path


def below_root(image: str, roots: Iterable[str]) -> str:
    """Return a path in its one spelling; an absolute one that is below one of the absolute `roots`, relative to it."""
    path = normalised(image)
    if path.startswith("/"):
        for root in roots:
            folder = root.rstrip("/") + "/"
            if path.startswith(folder):
                return path[len(folder) :]
    return path


class ImageFinder(Protocol):
    """What a preparation needs to know about images. Made before a fork, it can be used after it."""

    def prefetch(self, images: Iterable[Image]) -> None:
        """Look up the images before `find` is called."""

    def find(self, image: Image) -> str | NoImage:
        """Return the path that a sample should name, or why there is none."""

    def take_counts(self) -> Counter[str]:
        """Return how many images were found since the last call, by kind.

        The kinds are rotated, grey16, animation, downloaded, data_uri and bytes; an ordinary file has none. An image
        counts as often as it is found, so the sum does not depend on the number of processes.
        """

    def close(self) -> None:
        """Close what this process has open. More images may follow."""


class UncheckedImages:
    """Names images under `root` (or as they are) without a check, for data prepared without the images.

    URLs and data URIs stay as they are. Bytes have no name, so they become a file in `folder`.
    """

    def __init__(self, root: Path | None, folder: ImageFolder) -> None:
        self._counts: Counter[str] = Counter()
        self._prefix = f"{os.path.abspath(root)}/" if root else ""  # noqa: PTH100  Path.resolve() would follow links
        self._folder = folder

    def prefetch(self, images: Iterable[Image]) -> None:
        """Nothing to look up."""

    def find(self, image: Image) -> str | NoImage:
        """Return the path below the root, unless it leaves the root.

        Raises:
            OSError: bytes cannot be written.
        """
        if isinstance(image, bytes):
            self._counts["bytes"] += 1
            return self._folder.path(self._folder.put(image, suffix_of(image)))
        if is_path(image):
            path = below_root(image, [self._prefix] if self._prefix else [])
            return NoImage("image_path_unsafe", image) if is_unsafe(path) else self._prefix + path
        return NoImage("image_path_unsafe", shown(image)) if _scheme_is_unsafe(image) else image

    def take_counts(self) -> Counter[str]:
        """Return how many images were bytes since the last call."""
        counts, self._counts = self._counts, Counter()
        return counts

    def close(self) -> None:
        """Nothing is open."""


class ImageRoots:
    """Looks up each path once: in every root in order, first as it is, then by each rewrite that matches.

    Without a `folder`, nothing is written: pictures to be converted count as usable, and those without a file of their
    own as missing.
    """

    def __init__(
        self, roots: Sequence[Path], rewrites: Iterable[tuple[str, str]], folder: ImageFolder | None = None
    ) -> None:
        self._counts: Counter[str] = Counter()
        self._roots = [os.path.abspath(root) for root in roots]  # noqa: PTH100  Path.resolve() would follow links
        self._real_roots = tuple(os.path.realpath(root).rstrip(os.sep) + os.sep for root in roots)
        self._rewrites = [(re.compile(pattern), replacement) for pattern, replacement in rewrites]
        self._pictures = Pictures(folder)
        # hash(path or URL) -> number of the candidate that was found, -1 if there is none, or anything less ordinary.
        # Hashes of 64 bits instead of the texts keep the memory for a million images near 70 MiB.
        self._results: dict[int, int | Usable | NoImage] = {}
        self._batch: dict[Image, Usable | NoImage] = {}  # bytes and data URIs since the last `prefetch`

    def find(self, image: Image) -> str | NoImage:
        """Return the absolute path of a usable picture, or why there is none.

        A file is a regular one, the first of the candidates that training can use, and its real path (links followed)
        is under one of the roots.

        Raises:
            OSError: a picture cannot be written into the image folder.
        """
        result = self._known(image)
        if result is None:
            result = self._search(image)
            self._remember(image, result)
        if isinstance(result, NoImage):
            return result
        if isinstance(result, Usable):
            self._counts.update(result.kinds)
            return result.path
        if result < 0:
            return NoImage("image_missing", str(image))
        found: str = next(islice(self._candidates(below_root(str(image), self._roots)), result, None))
        return found

    def prefetch(self, images: Iterable[Image]) -> None:
        """Look up the new images in parallel; `find` then reads the results from memory."""
        self._batch.clear()
        fresh = [image for image in dict.fromkeys(images) if self._known(image) is None]
        if not fresh:
            return
        with ThreadPoolExecutor(min(WORKERS, len(fresh))) as pool:  # ends here: no thread is alive at a fork
            for image, result in zip(fresh, pool.map(self._search, fresh), strict=True):
                self._remember(image, result)
        self._pictures.write_verdicts()

    def take_counts(self) -> Counter[str]:
        """Return how many images were found since the last call, by kind; see `ImageFinder`."""
        counts, self._counts = self._counts, Counter()
        return counts

    def close(self) -> None:
        """Write the record of verified pictures, and close the connections."""
        self._pictures.close()

    def _known(self, image: Image) -> int | Usable | NoImage | None:
        if isinstance(image, str) and (is_path(image) or URL.match(image)):
            return self._results.get(hash(image))
        return self._batch.get(image)

    def _remember(self, image: Image, result: int | Usable | NoImage) -> None:
        if isinstance(image, str) and (is_path(image) or URL.match(image)):
            self._results[hash(image)] = result
        elif not isinstance(result, int):
            self._batch[image] = result

    def _candidates(self, path: str) -> Iterator[str]:
        """Yield every place where the image may be: for each root the path itself, then its rewrites."""
        for root in self._roots:
            yield os.path.join(root, path)  # noqa: PTH118  three times as fast as Path, for millions of paths
            for pattern, replacement in self._rewrites:
                if match := pattern.fullmatch(path):
                    yield os.path.join(root, match.expand(replacement))  # noqa: PTH118

    def _search(self, image: Image) -> int | Usable | NoImage:
        try:
            if isinstance(image, str) and is_path(image):
                return self._search_roots(image)
            if isinstance(image, str) and _scheme_is_unsafe(image):
                return NoImage("image_path_unsafe", shown(image))
            return self._pictures.of_content(image)
        except Unusable as problem:
            return NoImage(problem.reason, str(problem))

    def _search_roots(self, image: str) -> int | Usable | NoImage:
        """Return the first candidate that training can use, or the problem of the last one that exists."""
        path = below_root(image, self._roots)
        if is_unsafe(path):
            return NoImage("image_path_unsafe", image)
        problem: NoImage | None = None
        for number, candidate in enumerate(self._candidates(path)):
            if (status := _status(candidate)) is None or not stat.S_ISREG(status.st_mode):
                continue
            real = os.path.realpath(candidate)
            if not real.startswith(self._real_roots):
                problem = NoImage("image_outside_root", image)
                continue
            try:
                usable = self._pictures.of_file(candidate, real, status)
            except Unusable as unusable:
                problem = NoImage(unusable.reason, f"{image}: {unusable}")
                continue
            return number if usable.path == candidate and not usable.kinds else usable
        return problem or -1


def _scheme_is_unsafe(image: str) -> bool:
    """True for what is neither a path, nor a web address, nor a data URI: file:///etc/passwd."""
    return not (is_path(image) or URL.match(image) or image[:5].lower() == "data:")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  three times as fast as Path, for millions of paths
    except (OSError, ValueError):
        return None
