"""The data that a run started with. A resumed run must read the same rows: it skips those of its finished steps.

`data.json` in the run directory: {"/outputs/fire_bc/fire_bc_train.jsonl": {"bytes": 123456, "ends_sha256": "9f86..."}}
"""

import hashlib
import json
import os
from pathlib import Path

from vlm_sft.atomic_file import atomic_write
from vlm_sft.runs.swift_config import SwiftConfig

FILE = "data.json"
END_BYTES = 1 << 20  # hashed at both ends: finds other rows of the same total size without reading the whole file


def data_files(config: SwiftConfig) -> dict[str, int]:
    """Return the size in bytes of each local file that the run reads rows from."""
    names = [name.partition("#")[0] for key in ("dataset", "val_dataset") for name in config.texts(key)]
    return {name: Path(name).stat().st_size for name in names if Path(name).is_file()}


def changed_data(config: SwiftConfig, *, resuming: bool) -> str | None:
    """Record the data of a new run; return what has changed since then when a run is resumed."""
    path = config.output_dir / FILE
    now = {name: {"bytes": size, "ends_sha256": _ends(Path(name))} for name, size in data_files(config).items()}
    if resuming and path.is_file():
        before = json.loads(path.read_bytes())
        for name in {**before, **now}:
            was, got = before.get(name, {"bytes": "no"}), now.get(name, {"bytes": "no"})
            if was != got:
                change = f"{got['bytes']} bytes, but this run started with {was['bytes']}"
                if was["bytes"] == got["bytes"]:
                    change = f"{got['bytes']} bytes as at the start of this run, but with other content"
                return f"{name}: {change}; restore the data, or start a new run: delete {config.output_dir}"
        return None
    with atomic_write(path) as file:
        file.write(json.dumps(now, indent=2).encode() + b"\n")
    return None


def _ends(path: Path) -> str:
    """Return the SHA-256 of the first and the last MiB."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(END_BYTES))
        file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
        digest.update(file.read())
    return digest.hexdigest()
