"""What a preparation was asked to do, and the hash by which a finished one is recognised."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from vlm_sft import __version__
from vlm_sft.datasets.readers.source import SplitFile
from vlm_sft.prepare.swift_row import Form


@dataclass(frozen=True)
class Settings:
    """Everything that decides the content of the outputs, besides the input."""

    form: Form
    sources: tuple[str, ...] = ()  # empty: all
    image_roots: tuple[Path, ...] = ()
    skip_images: bool = False
    max_samples: int = 0  # trajectories written per split; 0: all
    max_drop_share: float = 0.05
    save_drops: bool = False
    count_tokens: str = ""  # model folder or id; empty: tokens are not counted

    def as_json(self) -> dict[str, Any]:
        """One flat object, keys as the options are called."""
        flat = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "form"}
        roots = [str(root.absolute()) for root in self.image_roots]
        return asdict(self.form) | flat | {"sources": list(self.sources), "image_roots": roots, "version": __version__}


def identities(inputs: Sequence[SplitFile]) -> dict[str, Any]:
    """Which content each split is made from."""
    return {found.split: found.identity for found in inputs}


def sha256_of(settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Hash of settings and input: the same for the same job, on any machine."""
    document = {"settings": settings, "input": inputs}
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
