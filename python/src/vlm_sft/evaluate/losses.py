"""Samples -> the summed loss of their references, by one process of `loss_rows.py` per GPU."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.evaluate.client import Answer
from vlm_sft.evaluate.generate import to_prediction
from vlm_sft.evaluate.identity import DECODING
from vlm_sft.evaluate.predictions import Append
from vlm_sft.evaluate.task import Sample
from vlm_sft.launch.command import argv

SCRIPT = Path(__file__).parent / "loss_rows.py"
POLL_S = 0.5


def losses(samples: Sequence[Sample], args: Mapping[str, Any], env: Mapping[str, str], gpus: int, folder: Path,
           name: str, append: Append, log: Callable[[str], None]) -> None:  # fmt: skip
    """Compute the loss of each sample and append it.

    Raises:
        UserError: a process failed; the losses so far are appended.
    """
    count = min(max(1, gpus), len(samples))
    parts = [samples[number::count] for number in range(count)]
    words = argv({key: value for key, value in args.items() if key not in (*DECODING, "val_dataset", "max_batch_size")})
    rows = [folder / f"{name}.{number}.rows.tmp" for number in range(count)]
    results = [folder / f"{name}.{number}.results.tmp" for number in range(count)]
    processes = []
    for number, part in enumerate(parts):
        results[number].unlink(missing_ok=True)
        with rows[number].open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"messages": s.messages, "images": list(s.images)}) + "\n" for s in part)
        own = {**env, **os.environ}
        own.pop("NPROC_PER_NODE", None)
        if gpus > 1:
            own["CUDA_VISIBLE_DEVICES"] = str(number)
        command = [sys.executable, str(SCRIPT), str(rows[number]), str(results[number]), *words]
        processes.append(subprocess.Popen(command, env=own, stdout=sys.stderr.fileno()))
    log(f"computing the loss of {len(samples):,} rows in {count} processes")
    try:
        while any(process.poll() is None for process in processes):
            if any(process.returncode for process in processes):
                break
            time.sleep(POLL_S)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        for path, part in zip(results, parts, strict=True):
            _append(path, part, append)
        for path in (*rows, *results):
            path.unlink(missing_ok=True)
    failed = [process.returncode for process in processes if process.returncode]
    if failed:
        raise UserError(f"loss: a process ended with exit code {failed[0]}; its message is above")


def _append(results: Path, samples: Sequence[Sample], append: Append) -> None:
    if not results.is_file():
        return
    with results.open("rb") as lines:
        for sample, line in zip(samples, lines, strict=False):
            if line.endswith(b"\n"):
                row = json.loads(line)
                error = row.pop("error", "")
                append(replace(to_prediction(sample, Answer(error=error)), extra=row))
