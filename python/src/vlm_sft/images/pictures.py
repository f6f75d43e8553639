"""A picture, on disk or as bytes -> a file that training can use, judged once and converted if that loses nothing."""

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from vlm_sft.datasets.image_path import URL
from vlm_sft.images.content import Downloads, decode_data_uri, shown
from vlm_sft.images.decode import Unusable, as_png, judge
from vlm_sft.images.image_folder import ImageFolder, digest_of
from vlm_sft.images.verified import Verdict, Verified, key_of


@dataclass(frozen=True, slots=True)
class Usable:
    """A picture that training can use."""

    path: str
    kinds: tuple[str, ...] = ()  # what a preparation counts: where it comes from, conversions, animation


class Pictures:
    """Judges pictures. With an image folder, it converts them, and remembers the verdicts there."""

    def __init__(self, folder: ImageFolder | None) -> None:
        self._folder = folder
        self._verified = Verified(folder.root / "verified") if folder else None
        self._downloads = Downloads()

    def of_file(self, path: str, real: str, status: os.stat_result) -> Usable:
        """Return the file itself, or its converted form. `real` is its path with links followed.

        Raises:
            Unusable: the text does not name the file.
            OSError: the converted picture cannot be written.
        """
        key = key_of("file", real, status.st_size, status.st_mtime_ns)
        if (verdict := self._recall(key)) is None:
            try:
                file = Path(path).open("rb")  # noqa: SIM115  closed below
            except OSError as error:
                raise Unusable("image_unreadable", error.strerror or str(error)) from None
            with file:
                verdict = replace(self._judge(file), suffix="")  # equal for all files that are usable
            self._keep(key, verdict)
        if verdict.reason:
            raise Unusable(verdict.reason, verdict.detail)
        return Usable(self._folder.path(verdict.name) if verdict.name and self._folder else path, verdict.kinds)

    def of_content(self, image: str | bytes) -> Usable:
        """Return the file in the image folder for bytes, a data URI or a URL.

        Raises:
            Unusable: see the class.
            OSError: the picture cannot be written.
        """
        if self._folder is None:
            raise Unusable("image_missing", shown(image))
        if isinstance(image, bytes):
            return self._of_bytes(self._folder, image, "bytes", shown(image))
        if not URL.match(image):
            return self._of_bytes(self._folder, decode_data_uri(image), "data_uri", shown(image))
        key = key_of("url", image)
        if verdict := self._recall(key):
            if verdict.reason:
                raise Unusable(verdict.reason, verdict.detail)
            return Usable(self._folder.path(verdict.name), verdict.kinds)
        content = self._downloads.fetch(image)
        try:
            usable = self._of_bytes(self._folder, content, "downloaded", shown(image))
        except Unusable as problem:
            if self._recall(key_of("content", digest_of(content))):  # judged, not unreadable for the moment
                self._keep(key, Verdict(problem.reason, str(problem)))
            raise
        self._keep(key, Verdict(kinds=usable.kinds, name=self._folder.name_of(usable.path)))
        return usable

    def write_verdicts(self) -> None:
        """Put the new verdicts on disk."""
        if self._verified:
            self._verified.write()

    def close(self) -> None:
        """Put the new verdicts on disk, and close the connections. More pictures may follow."""
        self.write_verdicts()
        self._downloads.close()

    def _of_bytes(self, folder: ImageFolder, content: bytes, origin: str, shown_as: str) -> Usable:
        key = key_of("content", digest_of(content))
        if (verdict := self._recall(key)) is None:
            verdict = self._judge(io.BytesIO(content))
            self._keep(key, verdict)
        if verdict.reason:
            raise Unusable(verdict.reason, f"{shown_as}: {verdict.detail}")
        name = verdict.name or folder.put(content, verdict.suffix)
        return Usable(folder.path(name), (origin, *verdict.kinds))

    def _judge(self, file: BinaryIO) -> Verdict:
        """Judge and convert.

        Raises:
            Unusable: the file cannot be read now; another time, it may be.
            OSError: the converted picture cannot be written.
        """
        try:
            judged = judge(file)
            png = as_png(file) if judged.conversions and self._folder else b""
        except Unusable as problem:
            return Verdict(problem.reason, str(problem))
        except OSError as error:
            raise Unusable("image_unreadable", error.strerror or str(error)) from None
        name = self._folder.put(png, ".png") if png and self._folder else ""
        return Verdict("", "", (*judged.conversions, *judged.notes), judged.suffix, name)

    def _recall(self, key: int) -> Verdict | None:
        """Return an earlier verdict, unless the file that it names is gone."""
        verdict = self._verified.get(key) if self._verified else None
        is_gone = verdict and verdict.name and self._folder and not self._folder.has(verdict.name)
        return None if is_gone else verdict

    def _keep(self, key: int, verdict: Verdict) -> None:
        if self._verified:
            self._verified.add(key, verdict)
