"""Preparation by several pods: each converts a slice of the input, and the last one to finish publishes the whole.

A pod leaves a file <output>.shard-0-of-4 for each split, and then its counts in a file of the shard's own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vlm_sft.atomic_file import atomic_write
from vlm_sft.datasets.readers.grouped import Groups
from vlm_sft.datasets.readers.part import Part, Rows
from vlm_sft.errors import UserError
from vlm_sft.prepare.output import Piece
from vlm_sft.prepare.stats import SplitStats


@dataclass(frozen=True)
class Shard:
    """Slice `number`, from 0, of `count`."""

    number: int
    count: int

    @property
    def name(self) -> str:
        """Return the name in files."""
        return f"shard-{self.number}-of-{self.count}"

    def slice_of(self, parts: Iterable[Part | Groups]) -> Sequence[Part | Groups]:
        """Return the shard's parts: all shards together have all parts in order.

        Raises:
            UserError: the input can be read only in order.
        """
        found = []
        for part in parts:
            if isinstance(part, Rows | Groups):  # the first one, so that a stream is not read to its end
                raise UserError(
                    f"--shard: {self.number}/{self.count}: the input can be read only in order, by one process; need "
                    "JSON, JSON lines or Parquet, or prepare.shards: 1"
                )
            found.append(part)
        start, end = (len(found) * edge // self.count for edge in (self.number, self.number + 1))
        return found[start:end]

    def others(self) -> "list[Shard]":
        """Return all shards, this one included."""
        return [Shard(number, self.count) for number in range(self.count)]


@dataclass
class Slice:
    """What one shard made of one split."""

    piece: Piece
    stats: SplitStats


def save(shard: Shard, folder: Path, sha256: str, slices: dict[str, Slice]) -> None:
    """Record a finished shard; `sha256` identifies settings and input."""
    state = {
        "sha256_of_settings_and_input": sha256,
        "splits": {
            split: {
                "file": made.piece.path.name,
                "bytes": made.piece.size,
                "image_line": made.piece.image_line,
                "stats": made.stats.state(),
            }
            for split, made in slices.items()
        },
    }
    with atomic_write(folder / f"{shard.name}.json") as file:
        file.write(orjson.dumps(state))


def load(shard: Shard, folder: Path, sha256: str) -> dict[str, Slice] | None:
    """Return what a shard has made; None if it has not finished with these settings and this input."""
    try:
        state: dict[str, Any] = orjson.loads((folder / f"{shard.name}.json").read_bytes())
        if state["sha256_of_settings_and_input"] != sha256:
            return None
        slices = {}
        for split, facts in state["splits"].items():
            path, line = folder / facts["file"], facts["image_line"]
            if path.stat().st_size != facts["bytes"]:
                return None
            piece = Piece(path, facts["bytes"], tuple(line) if line else None)
            slices[split] = Slice(piece, SplitStats.from_state(facts["stats"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return slices
