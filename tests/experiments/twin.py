"""A values file -> its twin for a CPU: the same template and arguments, a tiny model of its architecture, tiny data.

What differs is an overlay, a values file of its own, so that Helm itself merges it and every difference can be printed.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny_data
import tiny_models

Values = dict[str, Any]
GPU_ONLY = ("attn_impl", "use_liger_kernel", "packing", "padding_free")  # arguments that a CPU cannot run
SMALL = {"max_steps": 6, "num_train_epochs": 1, "warmup_steps": 2, "save_steps": 4, "eval_steps": 4}
MAX_LENGTH, IMAGE_TOKENS, NEW_TOKENS = 1024, 64, 16
PROCESSES, ACCUMULATION = 2, 2
CACHE = "/cache/twin"  # the claims are folders, see LocalJobs


@dataclass(frozen=True)
class Twin:
    """The overlay of a values file, and why the training of it is only parsed; empty: it runs."""

    overlay: Values
    parsed_only: str = ""


def derive(values: Mapping[str, Any]) -> Twin:
    """Return the twin of merged values."""
    train, evaluate = values["train"], values["evaluate"]
    if train["enabled"] and train["backend"] == "megatron":
        return Twin({}, "parsed only: Megatron needs GPUs, `make test` checks its arguments")
    model = evaluate["model"] if evaluate["enabled"] and not train["enabled"] else values["model"]["id"]
    overlay: Values = {"offline": True, "prepare": _prepare(values["prepare"]), "train": _train(train)}
    path = f"{CACHE}/models/{Path(model).name}"  # ms-swift finds the template by the name
    if train["enabled"]:
        overlay["model"] = {"id": path, "gated": False}
        overlay["export"] = {"enabled": True}
    overlay["evaluate"] = {"enabled": True, "args": {"max_new_tokens": NEW_TOKENS}}
    overlay["evaluate"] |= {} if train["enabled"] else {"model": path}
    overlay["evaluate"] |= {"everySteps": 3, "everyStepsSamples": 4} if evaluate["everySteps"] else {}
    if not evaluate["enabled"]:  # every twin is scored
        prepared = values["prepare"]["dataset"] if values["prepare"]["enabled"] else ""
        overlay["evaluate"]["task"] = "geo3k" if prepared == "geo3k" else "text"
        if prepared not in ("geo3k", "fire"):  # no validation split
            overlay["evaluate"]["dataset"] = [f"{CACHE}/data/val.jsonl"]
    return Twin(overlay)


def _prepare(prepare: Mapping[str, Any]) -> Values:
    name = prepare["dataset"]
    if not (prepare["enabled"] and name):
        return {}
    small: Values = {
        "input": f"{CACHE}/data/{name}{'/fire' if name == 'fire' else ''}",
        "sources": [],
        "downloadImages": False,
    }
    if name in ("fire", "volcano"):
        small["imageRoots"] = [f"{CACHE}/data/{name}/images"]
    if name == "jsonl":
        small["input"] = f"{CACHE}/data/jsonl/train.jsonl"
    return small


def _train(train: Mapping[str, Any]) -> Values:
    args: Values = {name: None for name in GPU_ONLY if name in train["args"]}
    args |= {name: SMALL[name] for name in SMALL if isinstance(train["args"].get(name), int)}
    args |= {"torch_dtype": "float32", "logging_steps": 1, "dataloader_num_workers": 0}
    if "max_length" in train["args"]:
        args["max_length"] = min(MAX_LENGTH, train["args"]["max_length"])
    processes = min(PROCESSES, train["gpusPerNode"] * train["nodes"])
    small: Values = {
        "accelerator": "cpu",
        "nodes": 1,
        "gpusPerNode": processes,
        "sharding": "ddp",
        "gradientAccumulationSteps": None,
        "effectiveBatchSize": train["batchSizePerGpu"] * processes * ACCUMULATION,
        "args": args,
        "env": {"IMAGE_MAX_TOKEN_NUM": IMAGE_TOKENS},
        "minFreeGib": 1,
    }
    for name in ("dataset", "valDataset"):
        small[name] = [_local(item) for item in train[name]]
    return small


def _local(dataset: str) -> str:
    """Return the tiny file in place of a dataset that the values name."""
    return f"{CACHE}/data/val.jsonl" if dataset.startswith("/") else f"{CACHE}/data/alpaca.jsonl"


def write_inputs(root: Path, values: Mapping[str, Any], overlay: Values) -> None:
    """Write the tiny model and data of a twin below `root`, where LocalJobs has the claims."""
    cache = root / CACHE.lstrip("/")
    data = cache / "data"
    model = overlay["model"]["id"] if "model" in overlay else overlay["evaluate"]["model"]
    tiny_models.write(cache / "models" / Path(model).name)
    name = values["prepare"]["dataset"] if values["prepare"]["enabled"] else ""
    data.mkdir(parents=True, exist_ok=True)
    if name == "fire":
        subprocess.run(
            [Path(sys.executable).parent / "vlm-sft", "sample", data / "fire"], check=True, capture_output=True
        )
    elif name == "volcano":
        tiny_data.volcano(data / "volcano")
    elif name == "geo3k":
        tiny_data.geo3k(data / "geo3k")
    elif name == "robo2vlm" and not (data / "robo2vlm").exists():  # a test may have written more rows
        tiny_data.robo2vlm(data / "robo2vlm")
    elif name == "jsonl":
        tiny_data.jsonl(data / "jsonl" / "train.jsonl", 16)
    tiny_data.messages(data / "val.jsonl", 6)
    tiny_data.alpaca(data / "alpaca.jsonl")


def differences(before: Mapping[str, Any], after: Mapping[str, Any], place: str = "") -> list[str]:
    """Return one line per leaf in which two sets of merged values differ."""
    lines = []
    for key in sorted({*before, *after}):
        one, two = before.get(key), after.get(key)
        name = f"{place}.{key}" if place else key
        if isinstance(one, dict) and isinstance(two, dict):
            lines += differences(one, two, name)
        elif one != two:
            lines.append(f"{name}: {one!r} -> {two!r}")
    return lines
