"""Rows that belong together, wherever they lie in the input: collected in a temporary database on disk."""

import marshal
import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from vlm_sft.datasets.conversation import Drop

PART_GROUPS = 64
MAX_GROUP_ROWS = 10_000  # more rows with one key are cut into several groups, so that memory stays bounded

Group = list[tuple[int, object]]  # rows with their numbers in the input, from 1


@dataclass(frozen=True)
class Groups:
    """Some groups, for one process."""

    found: list[Group]


def grouped(rows: Iterable[object], key: Callable[[object], str | None], folder: Path) -> Iterator[Groups]:
    """Yield all groups, first the rows without a key, each as a group, then by the first row of each group.

    Takes about as much disk space in `folder` as the rows with a key.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix="groups.", suffix=".tmp") as file:
        database = sqlite3.connect(file.name, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=OFF")
            database.execute("PRAGMA synchronous=OFF")
            database.execute("PRAGMA locking_mode=EXCLUSIVE")  # network file systems have no reliable locks
            database.execute("CREATE TABLE row (first INTEGER, number INTEGER, value BLOB)")
            single = _collect(rows, key, database)
            while groups := list(islice(single, PART_GROUPS)):
                yield Groups(groups)
            database.execute("CREATE INDEX place ON row (first, number)")
            stored = database.execute("SELECT first, number, value FROM row ORDER BY first, number")
            whole = (list(group) for _, group in groupby(stored, lambda row: row[0]))
            while parts := list(islice(whole, PART_GROUPS)):
                yield Groups([[(number, _unpacked(value)) for _, number, value in part] for part in parts])
        finally:
            database.close()


def _collect(
    rows: Iterable[object], key: Callable[[object], str | None], database: sqlite3.Connection
) -> Iterator[Group]:
    """Store the rows with a key; yield each row without one."""
    firsts: dict[int, int] = {}  # hash of the key -> number of its first row
    sizes: dict[int, int] = {}
    database.execute("BEGIN")
    for number, row in enumerate(rows, start=1):
        name = None if isinstance(row, Drop) else key(row)
        if name is None:
            yield [(number, row)]
            continue
        first = firsts.setdefault(hash(name), number)
        sizes[first] = sizes.get(first, 0) + 1
        if sizes[first] > MAX_GROUP_ROWS:
            first = firsts[hash(name)] = number
            sizes[first] = 1
        database.execute("INSERT INTO row VALUES (?, ?, ?)", (first, number, _packed(row)))
    database.execute("COMMIT")


def _packed(row: object) -> bytes:
    """Return bytes that only this process reads again. marshal takes JSON's values, in half the time of pickle."""
    try:
        return b"m" + marshal.dumps(row)  # type: ignore[arg-type]
    except ValueError:  # a date, a decimal
        return b"p" + pickle.dumps(row, 5)


def _unpacked(value: bytes) -> object:
    content = memoryview(value)[1:]
    return marshal.loads(content) if value[:1] == b"m" else pickle.loads(content)  # noqa: S301,S302  written above
