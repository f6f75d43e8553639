"""GPUs: the memory that a process can use, in GiB, and the dense bf16 peak, in TFLOP/s."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.suggest import closest

_FILE = Path(__file__).with_name("gpus.json")


@dataclass(frozen=True)
class Gpu:
    """One kind. `source` is that of the peak.

    `memory_gib` is what CUDA reports as total: below the nominal GB, and without ECC's share on GDDR. It is read off
    the "total capacity" of torch's out-of-memory messages in public reports, which differ by up to 0.2 between drivers
    (39.38 to 39.56 on an A100 40 GB, 79.14 to 79.25 on an 80 GB one, 139.72 to 139.81 on an H200): a low one of them.
    """

    name: str
    memory_gib: float
    bf16_tflops: float
    source: str


@cache
def gpus() -> dict[str, Gpu]:
    """Return {key: GPU}, as `--gpu` takes the keys."""
    return {key: Gpu(**facts) for key, facts in json.loads(_FILE.read_text(encoding="utf-8")).items()}


def find_gpu(key: str) -> Gpu:
    """Return the GPU called `key`, such as a100-80g; the size may be left out where there is one only.

    Raises:
        UserError: none or several are called so.
    """
    known = gpus()
    if key.casefold() in known:
        return known[key.casefold()]
    started = [name for name in known if name.startswith(f"{key.casefold()}-")]
    if len(started) == 1:
        return known[started[0]]
    if started:
        raise UserError(f"--gpu: {key!r} comes in several sizes; use {' or '.join(started)}")
    near = closest(key, known)
    hint = f"did you mean {near}? " if near else ""
    raise UserError(f"--gpu: {key!r} is none of {', '.join(known)}; {hint}or give --gpu-memory GIB")
