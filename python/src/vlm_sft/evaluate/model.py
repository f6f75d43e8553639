"""What is evaluated: a hub id, a folder with weights, an adapter, or the run directory of a finished training."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError
from vlm_sft.runs.finished_run import finished_checkpoint, is_adapter, loadable
from vlm_sft.runs.model_folder import missing
from vlm_sft.runs.report import FILE

END_BYTES = 1 << 20  # hashed at both ends of each weight file: 60 GB are not read again


@dataclass(frozen=True)
class Model:
    """Arguments of ms-swift that load the model, and what identifies it."""

    args: Mapping[str, str]
    identity: Mapping[str, Any]


def find_model(name: str, base: str, revision: str = "") -> Model:
    """Find what `name` means.

    Args:
        name: hub id (ORG/NAME or ORG/NAME@REVISION), folder with weights, adapter folder, or run directory.
        base: the base model of an adapter, a hub id or folder; empty: the one that the adapter names.
        revision: of a hub id.

    Raises:
        ConfigError: the run is not finished, a folder lacks a file, or an adapter belongs to another base.
    """
    folder = Path(name)
    if not folder.exists() and (folder.is_absolute() or name.startswith(".")):
        raise ConfigError(f"model: {name} does not exist; need a hub id, a model folder, an adapter or a run directory")
    if not folder.is_dir():
        hub_id, _, own = name.partition("@")
        revision = own or revision
        args = {"model": hub_id, **({"model_revision": revision} if revision else {})}
        return Model(args, {"model": hub_id, "revision": revision})
    if (folder / FILE).is_file():
        folder = loadable(folder, finished_checkpoint(folder))
    if is_adapter(folder):
        return _adapter(folder, base)
    if not (folder / "config.json").is_file():
        need = "need config.json or adapter_config.json; name a model folder, or a run directory with run_report.json"
        raise ConfigError(f"model: {folder} is no model: {need}")
    _need_files(folder)
    return Model({"model": str(folder)}, {"model": folder.name, "weights": _digest(folder)})


def _need_files(folder: Path) -> None:
    """Refuse a folder without weights, tokenizer, or the processor of a vision model."""
    if lacks := list(missing(folder)):
        raise ConfigError("\n".join(f"model: {lack}" for lack in lacks))


def _adapter(folder: Path, base: str) -> Model:
    """Return an adapter with its base model."""
    named = str(_read(folder / "adapter_config.json").get("base_model_name_or_path") or "")
    if base and named and not _same_base(base, named):
        way_out = f"set model.id to {named}, or evaluate another adapter"
        raise ConfigError(
            f"{folder}/adapter_config.json: its base model is {named}, but the config names {base}; {way_out}"
        )
    base = base or named
    if not base:
        raise ConfigError(
            f"{folder}/adapter_config.json: names no base model; set model.id to the one it was trained on"
        )
    if Path(base).is_dir():
        _need_files(Path(base))
    identity = {"model": base if not Path(base).is_dir() else Path(base).name, "adapter": folder.name}
    return Model({"model": base, "adapters": str(folder)}, {**identity, "weights": _digest(folder)})


def _same_base(first: str, second: str) -> bool:
    """Compare hub ids, folders, and snapshots in a cache, whose path contains the id as models--ORG--NAME."""
    if first == second:
        return True
    if Path(first).is_dir() and Path(second).is_dir():
        return _read(Path(first) / "config.json") == _read(Path(second) / "config.json")
    return _short(first) == _short(second)


def _short(name: str) -> str:
    """Return the last part of a hub id or folder: `Qwen3-8B` of Qwen/Qwen3-8B and of models--Qwen--Qwen3-8B."""
    cached = [part for part in Path(name).parts if part.startswith("models--")]
    return (cached[-1].split("--")[-1] if cached else Path(name).name).lower()


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}; copy the file again") from None
    return document if isinstance(document, dict) else {}


def _digest(folder: Path) -> str:
    """Return a SHA-256 of names, sizes and both ends of the weight files, with the config beside them."""
    whole = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*config.json")]):
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            whole.update(f"{path.name} {size}\n".encode() + file.read(END_BYTES))
            file.seek(max(0, size - END_BYTES))
            whole.update(file.read())
    return whole.hexdigest()
