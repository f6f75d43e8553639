"""Get images out of public archives: look them up in one archive after the other, then read what was found."""

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

DIRECTORIES_AT_ONCE = 2  # each is held whole for a moment, 100 MB for 100,000 members
FAILURES_IN_A_ROW = 3  # requests, each tried several times, after which an archive is given up
SPARE_BYTES = 1 << 30  # room that the images must leave on the disk
BLOCK_BYTES = 4096  # of the file system: a small file takes a whole one
NOT_IN_ARCHIVE = "not in its archives"

Say = Callable[[str], None]


class Download:
    """One run: which images are still missing and why, and which archives have been tried."""

    def __init__(self, table: ArchiveTable, web: Web, store: ImageStore, connections: int, say: Say) -> None:
        self._table, self._web, self._store, self._connections, self._say = table, web, store, connections, say
        self._places: dict[str, Places] = {}
        self._untried: dict[str, deque[str]] = {}  # path -> archives that may hold it, best first
        self._missing: dict[str, str] = {}  # path -> why, so far
        self._closed: dict[str, str] = {}  # archive -> why it is read no more

    def run(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Fetch the images of `sources` (path -> source); return those that are not to be had (path -> why).

        Raises:
            UserError: the disk is too small.
            OSError: the disk is full after all, or not writable.
        """
        for path in sources:
            self._places[path] = places = self._table.places(path)
            self._untried[path] = deque(places.archives)
            self._missing[path] = NOT_IN_ARCHIVE if places.archives else places.by_hand
        wanted: Iterable[str] = list(sources)
        while located := self._look_up(wanted):
            self._check_room([member for members in located.values() for member in members])
            progress = Progress(self._say, lambda: self._web.bytes_read, sources, located.values())
            for url, members in located.items():
                self._read(url, members, progress)
            wanted = [member.path for members in located.values() for member in members if member.path in self._missing]
        return self._missing

    def _look_up(self, wanted: Iterable[str]) -> dict[str, list[Member]]:
        """Find each image in the first untried archive that has it; archive -> members."""
        located: dict[str, list[Member]] = defaultdict(list)
        while asked := self._next_archives(wanted):
            with ThreadPoolExecutor(DIRECTORIES_AT_ONCE) as pool:
                answers = list(pool.map(self._directory, asked, asked.values()))
            held = set()
            for url, answer in zip(asked, answers, strict=True):
                self._missing |= answer.unusable
                if answer.members:
                    located[url] += answer.members
                    held |= {member.path for member in answer.members}
            wanted = [path for paths in asked.values() for path in paths if path not in held]
        return located

    def _next_archives(self, wanted: Iterable[str]) -> dict[str, list[str]]:
        """The next archive to try for each path, taken from its list; archive -> paths."""
        asked: dict[str, list[str]] = defaultdict(list)
        for path in wanted:
            untried = self._untried[path]
            while untried and untried[0] in self._closed:
                self._missing[path] = self._closed[untried.popleft()]
            if untried:
                asked[untried.popleft()].append(path)
        return asked

    def _directory(self, url: str, paths: Sequence[str]) -> Found:
        """Look `paths` up in one archive; finds nothing where it cannot be read."""
        self._say(f"{url}: reading its directory for {len(paths):,} images")
        try:
            found = find_members(self._web, url, {path: self._places[path].members for path in paths})
        except (Unavailable, NotAZip) as error:
            self._close(url, str(error))
            return Found((), dict.fromkeys(paths, self._closed[url]))
        self._say(f"{url}: has {len(found.members):,} of them")
        return found

    def _close(self, url: str, why: str) -> None:
        self._closed[url] = f"{url}: {why}"
        self._say(f"warning: {url}: {why}; not read any more")

    def _check_room(self, members: Sequence[Member]) -> None:
        needed = sum(-(-member.image_bytes // BLOCK_BYTES) * BLOCK_BYTES for member in members)
        free = shutil.disk_usage(self._store.root).free
        self._say(f"{len(members):,} images to fetch, {needed / 2**30:.2f} GiB; {free / 2**30:.1f} GiB free")
        if needed + SPARE_BYTES > free:
            raise UserError(
                f"{self._store.root}: {needed / 2**30:.1f} GiB of images to fetch, {SPARE_BYTES >> 30} GiB to spare, "
                f"{free / 2**30:.1f} GiB free; enlarge the disk (storage.cache.size), or take fewer --sources"
            )

    def _read(self, url: str, members: Iterable[Member], progress: Progress) -> None:
        """Fetch members of one archive, several requests at a time; gives the archive up when it keeps failing."""
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
                    progress.tell()
            except BaseException:
                self._web.close()  # ends what still waits
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for span in ahead:
            self._missing |= {member.path: self._closed[url] for member in span.members}
        progress.tell(last=True)

    def _settle(self, url: str, span: Span, future: Future[dict[str, str]], failures: int, progress: Progress) -> int:
        """Note what became of one request; return how many have failed since the last that did not."""
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
        """Read and write the images of one span, in a thread; return path -> why for those that are no good."""
        content = self._web.read(url, span.start, span.end)
        problems = {}
        for member in span.members:
            try:
                self._store.put(
                    member.path, extract(member, content[member.start - span.start : member.end - span.start])
                )
            except (Damaged, NotStored) as error:
                problems[member.path] = f"{url}: {member.name}: {error}"
        return problems
