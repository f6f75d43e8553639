"""Settings of a preparation, and the hash that identifies a finished one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from vlm_sft import __version__
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.prepare.swift_row import SampleFormat


@dataclass(frozen=True)
class Settings:
    """Everything that determines the content of the outputs, besides the input; and the number of processes."""

    sample_format: SampleFormat
    sources: tuple[str, ...] = ()  # empty: all
    image_roots: tuple[Path, ...] = ()
    skip_images: bool = False
    max_samples: int = 0  # trajectories written per split; 0: all
    max_drop_share: float = 0.05
    save_drops: bool = False
    count_tokens: str = ""  # model folder or id; empty: tokens are not counted
    verify: str = ""  # model folder or id; empty: not verified
    max_length: int = 0  # [tokens] of a sample, for the verification; 0: the model's
    own: Mapping[str, Any] = field(default_factory=dict)  # options that only the dataset has
    workers: int = 0  # processes; 0: one for each core
    max_memory: int = 0  # [MiB] that decides how many processes; 0: no limit

    def as_json(self) -> dict[str, Any]:
        """Return one flat object; its keys are the names of the options."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in NOT_IN_OUTPUT}
        roots = [str(root.absolute()) for root in self.image_roots]
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in self.own.items()}
        named |= {"sources": list(self.sources), "image_roots": roots, "version": __version__}
        return asdict(self.sample_format) | named | own


NOT_IN_OUTPUT = {"sample_format", "own", "workers", "max_memory"}


def identities(inputs: Sequence[SplitInput]) -> dict[str, Any]:
    """Return the identity of each split's input."""
    return {found.split: found.identity for found in inputs}


def sha256_of(settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Return a hash of settings and input: the same on any machine."""
    document = {"settings": settings, "input": inputs}
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
