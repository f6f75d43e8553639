"""train.backend and train.parallel: sizes that a backend does not have, and sizes that the GPUs do not divide into."""

from collections.abc import Iterator
from math import prod
from typing import Any

from vlm_sft.genvalues.sizing.backend_arguments import SHARED

Finding = tuple[tuple[str, ...], str]


def parallel(values: dict[str, Any]) -> Iterator[Finding]:
    """Yield path and message of each, in the words of templates/_backend.tpl."""
    train = values["train"]
    if not train["enabled"]:
        return
    yield from _of_megatron(train) if train["backend"] == "megatron" else _of_swift(train)
    key = ("train", "parallel")
    yield from _divides(train, key, SHARED)
    yield from _divides(train, (*key, "expert"), ("expert", "pipeline"))


def _of_swift(train: dict[str, Any]) -> Iterator[Finding]:
    for name in ("tensor", "pipeline", "expert", "context"):
        size = int(train["parallel"][name])
        if size > 1:
            message = f"got {size}, but train.backend swift has sequence alone; use 1, or train.backend: megatron"
            yield ("train", "parallel", name), message


def _of_megatron(train: dict[str, Any]) -> Iterator[Finding]:
    rows = int(train["parallel"]["sequence"])
    if rows > 1:
        message = f"got {rows}, but train.backend megatron splits rows by context; "
        yield ("train", "parallel", "sequence"), message + "use train.parallel.context, or train.backend: swift"
    if train["sharding"] != "ddp":
        message = f"got {train['sharding']}, but train.backend megatron has an optimizer of its own that shards; "
        yield ("train", "sharding"), message + "use ddp, or train.backend: swift"
    if train["accelerator"] == "cpu":
        message = "got cpu, but train.backend megatron runs on GPUs alone; use gpu, or train.backend: swift"
        yield ("train", "accelerator"), message
    if all(train["args"].get(name) is None for name in ("num_train_epochs", "train_iters")):
        message = "not set, and megatron sft has no default; give it, or train.args.train_iters"
        yield ("train", "args", "num_train_epochs"), message


def _divides(train: dict[str, Any], key: tuple[str, ...], names: tuple[str, ...]) -> Iterator[Finding]:
    gpus = int(train["gpusPerNode"]) * int(train["nodes"])
    sizes = {name: int(train["parallel"][name]) for name in names}
    size = prod(sizes.values())
    if gpus % size:
        unit = "processes" if train["accelerator"] == "cpu" else "GPUs"
        factors = " x ".join(f"{name} {value}" for name, value in sizes.items() if value > 1)
        below = gpus // size * size
        nearest = f"{below} or {below + size}" if below else f"{size}"
        yield key, f"got {gpus} {unit}, need a multiple of {size} ({factors}); use {nearest}, or other sizes"
