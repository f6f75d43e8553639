"""Read images out of public archives: find them in one archive after the other, then fetch what was found."""

import shutil
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from vlm_sft.errors import UserError
from vlm_sft.images.archive_table import ArchiveTable, Places
from vlm_sft.images.image_store import ImageStore, NotStored
from vlm_sft.images.remote.progress import Progress
from vlm_sft.images.remote.web import Unavailable, Web
from vlm_sft.images.remote.zip_directory import Found, Member, NotAZip, find_members
from vlm_sft.images.remote.zip_span import Damaged, Span, extract, spans

DIRECTORIES_AT_ONCE = 2  # each is in memory for a moment: 100 MB for 100,000 members
FAILURES_IN_A_ROW = 3  # requests, each with several tries, before an archive is abandoned
SPARE_BYTES = 1 << 30  # must stay free on the disk
BLOCK_BYTES = 4096  # of the file system: a small file occupies a whole block
NOT_IN_ARCHIVE = "not in its archives"

Log = Callable[[str], None]


class Download:
    """One run: the images that are still missing and why, and the archives that have been tried."""

    def __init__(self, table: ArchiveTable, web: Web, store: ImageStore, connections: int, log: Log) -> None:
        self._table, self._web, self._store, self._connections, self._log = table, web, store, connections, log
        self._places: dict[str, Places] = {}
        self._untried: dict[str, deque[str]] = {}  # path -> archives that may contain it, best first
        self._missing: dict[str, str] = {}  # path -> reason so far
        self._closed: dict[str, str] = {}  # archive -> why it is not read any more

    def run(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Fetch the images of `sources` (path -> source); return those that could not be fetched (path -> reason).

        Raises:
            UserError: the disk is too small.
            OSError: the disk is full nevertheless, or not writable.
        """
        for path in sources:
            self._places[path] = places = self._table.places(path)
            self._untried[path] = deque(places.archives)
            self._missing[path] = NOT_IN_ARCHIVE if places.archives else places.by_hand
        wanted: Iterable[str] = list(sources)
        while located := self._look_up(wanted):
            self._check_room([member for members in located.values() for member in members])
            progress = Progress(self._log, lambda: self._web.bytes_read, sources, located.values())
            for url, members in located.items():
                self._read(url, members, progress)
            wanted = [member.path for members in located.values() for member in members if member.path in self._missing]
        return self._missing

    def _look_up(self, wanted: Iterable[str]) -> dict[str, list[Member]]:
        """Find each image in the first untried archive that contains it; return archive -> members."""
        located: dict[str, list[Member]] = defaultdict(list)
        while attempts := self._next_archives(wanted):
            with ThreadPoolExecutor(DIRECTORIES_AT_ONCE) as pool:
                answers = list(pool.map(self._directory, attempts, attempts.values()))
            found = set()
            for url, answer in zip(attempts, answers, strict=True):
                self._missing |= answer.unusable
                if answer.members:
                    located[url] += answer.members
                    found |= {member.path for member in answer.members}
            wanted = [path for paths in attempts.values() for path in paths if path not in found]
        return located

    def _next_archives(self, wanted: Iterable[str]) -> dict[str, list[str]]:
        """Take the next archive to try from each path's list; return archive -> paths."""
        attempts: dict[str, list[str]] = defaultdict(list)
        for path in wanted:
            untried = self._untried[path]
            while untried and untried[0] in self._closed:
                self._missing[path] = self._closed[untried.popleft()]
            if untried:
                attempts[untried.popleft()].append(path)
        return attempts

    def _directory(self, url: str, paths: Sequence[str]) -> Found:
        """Look up `paths` in one archive; finds nothing if it cannot be read."""
        self._log(f"{url}: reading its directory for {len(paths):,} images")
        try:
            found = find_members(self._web, url, {path: self._places[path].members for path in paths})
        except (Unavailable, NotAZip) as error:
            self._close(url, str(error))
            return Found((), dict.fromkeys(paths, self._closed[url]))
        self._log(f"{url}: contains {len(found.members):,} of them")
        return found

    def _close(self, url: str, why: str) -> None:
        self._closed[url] = f"{url}: {why}"
        self._log(f"warning: {url}: {why}; not read any more")

    def _check_room(self, members: Sequence[Member]) -> None:
        needed = sum(-(-member.entry.file_size // BLOCK_BYTES) * BLOCK_BYTES for member in members)
        free = shutil.disk_usage(self._store.root).free
        self._log(f"{len(members):,} images to fetch, {needed / 2**30:.2f} GiB; {free / 2**30:.1f} GiB free")
        if needed + SPARE_BYTES > free:
            raise UserError(
                f"{self._store.root}: {needed / 2**30:.1f} GiB of images to fetch, {SPARE_BYTES >> 30} GiB reserve, "
                f"{free / 2**30:.1f} GiB free; enlarge the disk (storage.cache.size), or use fewer --sources"
            )

    def _read(self, url: str, members: Iterable[Member], progress: Progress) -> None:
        """Fetch members of one archive with parallel requests; abandons the archive after repeated failures."""
        ahead = spans(members)
        failures = 0
        running: dict[Future[dict[str, str]], Span] = {}
        with ThreadPoolExecutor(self._connections) as pool:
            try:
                while True:
                    if url not in self._closed:
                        for span in islice(ahead, 2 * self._connections - len(running)):
                            running[pool.submit(self._fetch, url, span)] = span
                    if not running:
                        break
                    done, _ = wait(running, timeout=progress.interval_s, return_when=FIRST_COMPLETED)
                    for future in done:
                        failures = self._settle(url, running.pop(future), future, failures, progress)
                    progress.report()
            except BaseException:
                self._web.close()  # ends requests that wait
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for span in ahead:
            self._missing |= {member.path: self._closed[url] for member in span.members}
        progress.report(last=True)

    def _settle(self, url: str, span: Span, future: Future[dict[str, str]], failures: int, progress: Progress) -> int:
        """Record the result of one request; return the number of consecutive failures."""
        try:
            problems = future.result()
        except Unavailable as error:
            self._missing |= {member.path: f"{url}: {error}" for member in span.members}
            if failures + 1 == FAILURES_IN_A_ROW:
                self._close(url, str(error))
            return failures + 1
        for member in span.members:
            if why := problems.get(member.path):
                self._missing[member.path] = why
            else:
                del self._missing[member.path]
                progress.add(member.path)
        return 0

    def _fetch(self, url: str, span: Span) -> dict[str, str]:
        """Read and store the images of one span, in a thread; return path -> reason for those that are unusable."""
        content = self._web.read(url, span.start, span.end)
        problems = {}
        for member in span.members:
            try:
                self._store.put(
                    member.path, extract(member, content[member.start - span.start : member.end - span.start])
                )
            except (Damaged, NotStored) as error:
                problems[member.path] = f"{url}: {member.entry.filename}: {error}"
        return problems
