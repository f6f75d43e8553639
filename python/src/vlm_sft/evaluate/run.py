"""One evaluation: the finished run's checkpoint -> `swift infer` -> predictions.jsonl -> scores.json."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import ConfigError, UserError
from vlm_sft.evaluate.scores import Scores, score, table
from vlm_sft.launch.gpus import need_gpus
from vlm_sft.launch.swift_command import run_swift
from vlm_sft.runs.finished_run import finished_checkpoint, is_adapter, loadable
from vlm_sft.runs.swift_config import SwiftConfig


def evaluate(config: SwiftConfig, run_dir: Path, gpus: int, log: Callable[[str], None], *, force: bool) -> str:
    """Generate and score; return the table. A finished evaluation of the same checkpoint, config and data is kept.

    Raises:
        ConfigError: there is no finished run, no checkpoint, or no data; another try would fail the same way.
        UserError: GPUs are missing, or ms-swift failed.
    """
    checkpoint = finished_checkpoint(run_dir)
    model = loadable(run_dir, checkpoint)
    identity = _identity(config, checkpoint)
    folder = run_dir / "evaluation"
    if not force and (former := _former(folder / "scores.json", identity)):
        log(f"{folder}: already finished with this checkpoint and config; --force repeats it")
        return table(Scores(**{key: former[key] for key in Scores.__dataclass_fields__}))
    need_gpus(gpus)
    folder.mkdir(exist_ok=True)
    predictions = _generate(config, model, folder, log)
    with predictions.open("rb") as lines:
        scores = score(lines)
    with atomic_write(folder / "scores.json") as file:
        file.write(json.dumps({**asdict(scores), "identity": identity}, indent=2).encode() + b"\n")
    return table(scores)


def _identity(config: SwiftConfig, checkpoint: Path) -> dict[str, Any]:
    """Return what identifies an evaluation: its checkpoint, its config, its data."""
    sizes = {}
    for name in config.texts("val_dataset"):
        path = Path(name.partition("#")[0])
        if path.is_absolute() and not (path.is_file() and path.stat().st_size):
            raise ConfigError(f"val_dataset: {path} is missing or empty; prepare the data, or correct the path")
        sizes[name] = path.stat().st_size if path.is_file() else None
    text = json.dumps([dict(config.args), dict(config.env)], sort_keys=True, default=str)
    return {"checkpoint": str(checkpoint), "config": hashlib.sha256(text.encode()).hexdigest(), "bytes_of_data": sizes}


def _former(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Return the scores of an earlier evaluation of the same checkpoint, config and data."""
    try:
        former = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return former if isinstance(former, dict) and former.get("identity") == identity else None


def _generate(config: SwiftConfig, model: Path, folder: Path, log: Callable[[str], None]) -> Path:
    """Run `swift infer` and return its result file, which gets its final name when it is complete."""
    predictions, temporary = folder / "predictions.jsonl", folder / "predictions.jsonl.tmp"
    temporary.unlink(missing_ok=True)  # ms-swift appends to an existing file
    args = {**config.args, "adapters" if is_adapter(model) else "model": str(model), "result_path": str(temporary)}
    log(f"generating with {model}")
    run_swift("infer", args, {**config.env, **os.environ}, log)
    if not temporary.is_file():
        raise UserError(f"swift infer: ended without {temporary}; its log above shows which rows it skipped")
    return temporary.replace(predictions)
