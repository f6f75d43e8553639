"""How a download gets on: one line every few seconds with images per second and megabytes per second."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from vlm_sft.images.remote.zip_directory import Member


class Progress:
    """Counts the images of one round as they come."""

    interval_s = 5.0

    def __init__(
        self,
        say: Callable[[str], None],
        bytes_read: Callable[[], int],
        sources: Mapping[str, str],
        located: Iterable[Iterable[Member]],
    ) -> None:
        self._say, self._bytes_read, self._sources = say, bytes_read, sources
        self._wanted = Counter(sources[member.path] for members in located for member in members)
        self._fetched: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._told_bytes = bytes_read()
        self._told_at = time.monotonic()

    def add(self, path: str) -> None:
        """Count an image that is on the disk now."""
        self._fetched[self._sources[path]] += 1

    def tell(self, *, last: bool = False) -> None:
        """Say how far each source is that has moved, unless this was said a moment ago; the `last` is always said."""
        seconds = time.monotonic() - self._told_at
        moved = self._fetched - self._told
        if seconds < self.interval_s and not (last and moved):
            return
        megabytes = (self._bytes_read() - self._told_bytes) / 1e6
        counts = ", ".join(f"{name} {self._fetched[name]:,} of {self._wanted[name]:,}" for name in sorted(moved))
        rates = f"{moved.total() / seconds:,.0f} images/s, {megabytes / seconds:.1f} MB/s"
        self._say(f"{counts or 'no image came'}: {rates}")
        self._told, self._told_bytes, self._told_at = self._fetched.copy(), self._bytes_read(), time.monotonic()
