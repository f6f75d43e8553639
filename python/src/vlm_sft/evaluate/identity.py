"""What identifies an evaluation. Two results are comparable only if they agree in everything except the model."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from vlm_sft.evaluate.model import Model
from vlm_sft.evaluate.samples import digest
from vlm_sft.evaluate.task import Sample, Task
from vlm_sft.runs.swift_config import SwiftConfig

DECODING = {"max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "num_beams", "stop_words", "seed"}
OF_THE_MODEL = {"model_type", "template", "torch_dtype", "attn_impl", "quant_method", "quant_bits"}
# speed, places, and what is in the identity elsewhere
NOT_PART = {
    "model",
    "model_revision",
    "adapters",
    "use_hf",
    "check_model",
    "val_dataset",
    "result_path",
    "max_batch_size",
    "write_batch_size",
    "logging_steps",
    "gpu_memory_utilization",
    "vllm_gpu_memory_utilization",
    "vllm_tensor_parallel_size",
    "vllm_max_num_seqs",
}
NOT_PART_ENV = {"CUDA_VISIBLE_DEVICES", "NPROC_PER_NODE", "NCCL_DEBUG", "HF_HUB_OFFLINE"}
COMPARED = ("task", "version", "data", "decoding", "settings", "environment", "teacher")
LENGTH = 12  # hexadecimal digits of the folder's name

Identity = Mapping[str, Any]


def identify(
    task: Task, samples: Sequence[Sample], model: Model, config: SwiftConfig, engine: str, teacher: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the identity: everything that can change a prediction or its score."""
    args = {"max_new_tokens": task.max_new_tokens, "temperature": 0, **config.args}
    if task.asked == "none":  # nothing is generated
        engine = "loss"
        args = {name: value for name, value in args.items() if name not in DECODING}
    rest = set(args) - NOT_PART - DECODING - OF_THE_MODEL
    return {
        "task": task.name,
        "version": task.version,
        "data": {"samples": len(samples), "sha256": digest(samples)},
        "decoding": {name: args[name] for name in sorted(DECODING & set(args))},
        "settings": {name: args[name] for name in sorted(rest)},
        "environment": {k: v for k, v in sorted(config.env.items()) if k not in NOT_PART_ENV},
        "teacher": dict(teacher),
        "model": {**model.identity, **{name: args[name] for name in sorted(OF_THE_MODEL & set(args))}},
        "engine": {"name": engine, **_versions("ms-swift", "transformers", "vllm" if engine == "vllm" else "torch")},
    }


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def name_of(identity: Identity) -> str:
    """Return the name of the result's folder."""
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def unlike(first: Identity, second: Identity) -> list[str]:
    """Return one line per field that makes two results incomparable."""
    lines = []
    for field in COMPARED:
        one, two = first.get(field), second.get(field)
        if isinstance(one, dict) and isinstance(two, dict):
            keys = sorted(key for key in {**one, **two} if one.get(key) != two.get(key))
            lines += [f"{field}.{key}: {one.get(key)!r} and {two.get(key)!r}" for key in keys]
        elif one != two:
            lines.append(f"{field}: {one!r} and {two!r}")
    return lines
