"""What a run started with: its data, and how its work was divided. A resumed run skips the rows of its finished steps.

`data.json` in the run directory: {"processes": 2, "batch_size_per_gpu": 1,
"files": {"/outputs/fire_bc/fire_bc_train.jsonl": {"bytes": 123456, "ends_sha256": "9f86..."}}}
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_sft.atomic_file import atomic_write
from vlm_sft.runs.dataset_name import split_dataset
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.swift_arguments.division import tied_to_passes, tied_to_processes

FILE = "data.json"
END_BYTES = 1 << 20  # hashed at both ends: finds other rows of the same total size without reading the whole file


def data_files(config: SwiftConfig, keys: Sequence[str] = ("dataset", "val_dataset")) -> dict[str, int]:
    """Return the size in bytes of each local file that the run reads rows from."""
    paths = [split_dataset(name)[0] for key in keys for name in config.texts(key)]
    return {str(path): path.stat().st_size for path in paths if path.is_file()}


def changed_start(config: SwiftConfig, processes: int, *, resuming: bool) -> str | None:
    """Record what a new run starts with; return what has changed since then when a run is resumed.

    Args:
        config: ms-swift's config.
        processes: of all nodes.
        resuming: whether there is a checkpoint.
    """
    path = config.output_dir / FILE
    sizes = data_files(config, ["dataset"])  # another validation set is no other run
    files = {name: {"bytes": size, "ends_sha256": _ends(Path(name))} for name, size in sizes.items()}
    rows = config.integer("per_device_train_batch_size", 1)
    if resuming and path.is_file():
        before = json.loads(path.read_bytes())
        way_out = f"start a new run: delete {config.output_dir}"
        was, tied = before.get("processes", processes), tied_to_processes(config.args)
        if was != processes and tied:
            return (
                f"NPROC_PER_NODE: got {processes} processes in all, need {was}: this run started with {was}, and with "
                f"{tied} no other number can continue it; use {was} (train.gpusPerNode x train.nodes), or {way_out}"
            )
        was, tied = before.get("batch_size_per_gpu", rows), tied_to_passes(config.args)
        if was != rows and tied:
            return (
                f"per_device_train_batch_size: got {rows}, need {was}: this run started with {was}, and with {tied} "
                f"another one changes the loss; use {was} (train.batchSizePerGpu), or {way_out}"
            )
        return _changed_files(before.get("files", {}), files, way_out)
    now = {"processes": processes, "batch_size_per_gpu": rows, "files": files}
    with atomic_write(path) as file:
        file.write(json.dumps(now, indent=2).encode() + b"\n")
    return None


def started_with(run_dir: Path) -> int | None:
    """Return the number of processes that a run started with, in whose order it reads its rows; None: not recorded."""
    path = run_dir / FILE
    processes: int | None = json.loads(path.read_bytes()).get("processes") if path.is_file() else None
    return processes


def _changed_files(before: dict[str, Any], now: dict[str, Any], way_out: str) -> str | None:
    for name in {**before, **now}:
        was, got = before.get(name, {"bytes": "no"}), now.get(name, {"bytes": "no"})
        if was != got:
            change = f"{got['bytes']} bytes, but this run started with {was['bytes']}"
            if was["bytes"] == got["bytes"]:
                change = f"{got['bytes']} bytes as at the start of this run, but with other content"
            return f"{name}: {change}; restore the data, or {way_out}"
    return None


def _ends(path: Path) -> str:
    """Return the SHA-256 of the first and the last MiB."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(END_BYTES))
        file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
        digest.update(file.read())
    return digest.hexdigest()
