"""`vlm-sft storage-check`: tries in a folder what runs need: write, sync, rename, read back, delete."""

import os
import shutil
import time
from pathlib import Path

import click

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import UserError

SIZE_BYTES = 1 << 20


@click.command("storage-check")
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
def storage_check(folders: tuple[Path, ...]) -> None:
    """Write, rename, read back and delete a file of 1 MiB in each of FOLDERS; print their free space."""
    for folder in folders:
        seconds = written_and_read(folder)
        free_gib = shutil.disk_usage(folder).free / 2**30
        click.echo(f"{folder}: written, renamed and read back in {seconds * 1000:.0f} ms, {free_gib:.1f} GiB free")


def written_and_read(folder: Path) -> float:
    """Return how long write, rename and read took [s].

    Raises:
        UserError: the folder is not writable, is full, or returns other content than was written.
    """
    path = folder / f"storage-check.{os.uname().nodename}"
    content = os.urandom(SIZE_BYTES)
    started_s = time.monotonic()
    try:
        with atomic_write(path) as file:
            file.write(content)
        read = path.read_bytes()
        path.unlink()
    except OSError as error:
        way_out = "look at the claim's events, its size, and podSecurity.fsGroup"
        raise UserError(f"{folder}: {error.strerror}, need to write, rename and read files there; {way_out}") from None
    if read != content:
        raise UserError(f"{folder}: read other content than was written; do not train on this storage")
    return time.monotonic() - started_s
