"""A finished preparation in an output folder: recognise, compare, discard it.

`stats.json` is written last, so a folder contains a finished preparation if and only if it contains this file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from vlm_sft.datasets.registry import DATASETS
from vlm_sft.errors import UserError

MARKER = "stats.json"
OUTPUTS = (*(dataset.output_name("*") for dataset in DATASETS.values()), "dropped_*.jsonl")


def read_finished(folder: Path) -> dict[str, Any] | None:
    """Return the stats of the finished preparation in `folder`; None if there is none or its files have changed."""
    try:
        stats = orjson.loads((folder / MARKER).read_bytes())
        if missing := {"files", "settings", "input", "sha256_of_settings_and_input", "splits"} - stats.keys():
            raise KeyError(*sorted(missing))
        whole = all((folder / name).stat().st_size == facts["bytes"] for name, facts in stats["files"].items())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--output-dir: {folder / MARKER} was not written by this command ({error!r}); "
            "choose another folder, or remove the file"
        ) from error
    return stats if whole else None


def differences(old: Mapping[str, Any], new_settings: Mapping[str, Any], new_input: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each setting and each input file that differs: `layout: trajectory -> steps`."""
    for title, before, after in (("", old["settings"], new_settings), ("input ", old["input"], new_input)):
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                yield f"{title}{key}: {_shown(before.get(key))} -> {_shown(after.get(key))}"


def discard(folder: Path) -> None:
    """Remove a former preparation, and the temporary files of killed runs. The marker is removed first."""
    (folder / MARKER).unlink(missing_ok=True)
    discard_leftovers(folder)
    for pattern in (*OUTPUTS, "groups.*.tmp", *(f"{name}.*tmp" for name in (*OUTPUTS, MARKER))):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def discard_leftovers(folder: Path) -> None:
    """Remove what shards have left, of this and of former preparations, and pictures that killed runs left half."""
    for pattern in ("shard-*-of-*.json", *(f"{name}.shard-*-of-*" for name in OUTPUTS), "images/*/*.tmp"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(none)"
    if isinstance(value, dict):
        return " ".join(f"{key}={str(part)[:40]}" for key, part in value.items())
    return "(none)" if value in (None, "") else str(value)
