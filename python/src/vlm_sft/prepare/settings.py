"""Settings of a preparation, and the hash that identifies a finished one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from vlm_sft import __version__
from vlm_sft.datasets.readers.source import SplitFile
from vlm_sft.prepare.swift_row import SampleFormat


@dataclass(frozen=True)
class Settings:
    """Everything that determines the content of the outputs, besides the input."""

    sample_format: SampleFormat
    sources: tuple[str, ...] = ()  # empty: all
    image_roots: tuple[Path, ...] = ()
    skip_images: bool = False
    max_samples: int = 0  # trajectories written per split; 0: all
    max_drop_share: float = 0.05
    save_drops: bool = False
    count_tokens: str = ""  # model folder or id; empty: tokens are not counted

    def as_json(self) -> dict[str, Any]:
        """Return one flat object; its keys are the names of the options."""
        flat = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "sample_format"}
        roots = [str(root.absolute()) for root in self.image_roots]
        flat |= {"sources": list(self.sources), "image_roots": roots, "version": __version__}
        return asdict(self.sample_format) | flat


def identities(inputs: Sequence[SplitFile]) -> dict[str, Any]:
    """Return the identity of each split's input."""
    return {found.split: found.identity for found in inputs}


def sha256_of(settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Return a hash of settings and input: the same on any machine."""
    document = {"settings": settings, "input": inputs}
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
