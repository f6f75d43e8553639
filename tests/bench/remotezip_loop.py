"""Fetch members of a remote zip archive by `remotezip`, one archive object per thread, with one session.

    python tests/bench/remotezip_loop.py documented http://127.0.0.1:8000/a.zip train2017/ images 16

`documented`: each thread opens the archive as the library's README shows, and so reads and parses the directory.
`shared`: the directory is read once. The other threads open an archive without members and read by the known entries.
"""

import io
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import requests
from remotezip import PartialBuffer, RemoteFetcher, RemoteZip

TAIL_BYTES = 1 << 20  # as `vlm-sft images` requests; the rest of a longer directory is one more request
NO_DIRECTORY = bytes(20) + b"PK\5\6" + bytes(18)  # the end of an archive without members, and no ZIP64 record


class WithoutDirectory(RemoteFetcher):
    """Answers the request of the directory without a network."""

    def fetch(self, data_range: tuple[int, int | None], stream: bool = False) -> Any:
        """Return the bytes of the range."""
        if data_range[1] is None:
            return PartialBuffer(io.BytesIO(NO_DIRECTORY), 1 << 62, len(NO_DIRECTORY), stream=False)
        return super().fetch(data_range, stream)


def without_directory(url: str, session: requests.Session, sizes: dict[int, int]) -> RemoteZip:
    """Open an archive that reads members by the entries of another archive object."""
    archive = RemoteZip(url, session=session, fetcher=WithoutDirectory)
    archive.fp.set_position_to_size(sizes)
    return archive


def fetch(opened: Callable[[], RemoteZip], out: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Write the members to `out`."""
    with opened() as archive:
        for entry in entries:
            (out / Path(entry.filename).name).write_bytes(archive.read(entry))


def main() -> None:
    """Fetch all members that begin with the prefix; neighbours in the archive belong to one thread."""
    how, url, prefix, out, threads = sys.argv[1:]
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=int(threads)))
    opened = partial(RemoteZip, url, initial_buffer_size=TAIL_BYTES, session=session)
    with opened() as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.startswith(prefix)]
        if how == "shared":
            opened = partial(without_directory, url, session, archive._get_position_to_size())
    entries.sort(key=lambda entry: entry.header_offset)
    share = -(-len(entries) // int(threads))
    parts = [entries[at : at + share] for at in range(0, len(entries), share)]
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(partial(fetch, opened, Path(out)), parts))


if __name__ == "__main__":
    main()
