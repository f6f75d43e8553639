"""Progress of a download: one line every few seconds with images per second and megabytes per second."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from vlm_sft.images.remote.zip_directory import Member


class Progress:
    """Counts the images of one round as they arrive."""

    interval_s = 5.0

    def __init__(
        self,
        log: Callable[[str], None],
        bytes_read: Callable[[], int],
        sources: Mapping[str, str],
        located: Iterable[Iterable[Member]],
    ) -> None:
        self._log, self._bytes_read, self._sources = log, bytes_read, sources
        self._wanted = Counter(sources[member.path] for members in located for member in members)
        self._fetched: Counter[str] = Counter()
        self._reported: Counter[str] = Counter()
        self._reported_bytes = bytes_read()
        self._reported_at = time.monotonic()

    def add(self, path: str) -> None:
        """Count an image that is now on disk."""
        self._fetched[self._sources[path]] += 1

    def report(self, *, last: bool = False) -> None:
        """Log the progress of each source, at most every `interval_s`; with `last` also earlier, if there is any."""
        seconds = time.monotonic() - self._reported_at
        moved = self._fetched - self._reported
        if seconds < self.interval_s and not (last and moved):
            return
        megabytes = (self._bytes_read() - self._reported_bytes) / 1e6
        counts = ", ".join(f"{name} {self._fetched[name]:,} of {self._wanted[name]:,}" for name in sorted(moved))
        rates = f"{moved.total() / seconds:,.0f} images/s, {megabytes / seconds:.1f} MB/s"
        self._log(f"{counts or 'no images'}: {rates}")
        self._reported, self._reported_at = self._fetched.copy(), time.monotonic()
        self._reported_bytes = self._bytes_read()
