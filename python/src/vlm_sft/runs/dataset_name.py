"""A dataset as ms-swift's command line names it: `/outputs/a.jsonl#500`, `/cache/folder:subset`, `org/name#500`."""

from pathlib import Path


def split_dataset(name: str) -> tuple[Path, int | None]:
    """Return the path (or hub id) and the number of rows, None for all.

    As in ms-swift, a name that exists is one as a whole, and else the last `#` splits: folders may contain others.
    """
    path, mark, rows = name.rpartition("#")
    if not mark or not rows.isdecimal() or Path(name).exists():
        path, rows = name, ""
    if not Path(path).exists() and Path(path.partition(":")[0]).is_dir():
        path = path.partition(":")[0]
    return Path(path), int(rows) if rows else None
