"""A file that appears under its name only when it is complete: written as `*.tmp`, synced, renamed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes; a reader sees the old file or the complete new one.

    The temporary file is in the target's folder (rename is atomic only within one filesystem) and is removed on error.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    writer = f"{os.uname().nodename}.{os.getpid()}.{threading.get_ident():x}"  # two pods may share a pid
    temporary = path.with_name(f"{path.name}.{writer}.tmp")
    try:
        with temporary.open("wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
