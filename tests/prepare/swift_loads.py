"""What ms-swift's own loader yields from a file, for tests: 10 s for the first file of a process, 0.3 s for others."""

import tempfile
import warnings
from pathlib import Path
from typing import Any


def rows_loaded(path: Path) -> list[dict[str, Any]]:
    """Return the rows that `swift sft` loads in strict mode: `messages`, and `images` as a list of paths or bytes."""
    with warnings.catch_warnings(action="ignore"), tempfile.TemporaryDirectory() as cache:
        from vlm_sft.prepare.swift_load import load, quiet

        with quiet():
            rows = list(load(path, Path(cache)))
    return [
        {key: value for key, value in row.items() if key != "dataset"}
        | {"images": [image["path"] or image["bytes"] for image in row.get("images") or []]}
        for row in rows
    ]
