"""train.backend: where `swift sft` and `megatron sft` differ in arguments, as templates/_backend.tpl writes them."""

from collections.abc import Mapping
from math import prod
from typing import Any

Values = Mapping[str, Any]
SHARED = ("tensor", "pipeline", "context", "sequence")  # sizes of train.parallel whose GPUs see the same rows


def gpus_per_rank(train: Values) -> int:
    """Return the GPUs that see the same rows; experts are split over GPUs that see rows of their own."""
    sizes = train.get("parallel") or {}
    return prod(int(sizes.get(name, 1)) for name in SHARED)


def accumulation(train: Values) -> int:
    """Return the forward passes per optimizer step, derived where only the effective size is given."""
    given: int = train.get("gradientAccumulationSteps") or 0
    effective: int = train.get("effectiveBatchSize") or 0
    return given or effective // _per_pass(train)


def backend_arguments(train: Values) -> dict[str, Any]:
    """Return train.args and what its backend alone has."""
    args = {name: value for name, value in train["args"].items() if value is not None}  # null deletes a default
    return _megatron(train, args) if train["backend"] == "megatron" else _swift(train, args)


def _per_pass(train: Values) -> int:
    ranks = train["gpusPerNode"] * train["nodes"] // gpus_per_rank(train)
    return int(train["batchSizePerGpu"] * ranks)


def _swift(train: Values, args: dict[str, Any]) -> dict[str, Any]:
    args["per_device_train_batch_size"] = train["batchSizePerGpu"]
    args["gradient_accumulation_steps"] = accumulation(train)
    if train["parallel"]["sequence"] > 1:
        args["sequence_parallel_size"] = train["parallel"]["sequence"]
    if train["sharding"].startswith("zero"):
        args["deepspeed"] = train["sharding"]
    elif train["sharding"] == "fsdp2":
        args["fsdp"] = "fsdp2"
        args["gradient_checkpointing"] = False  # ms-swift's fsdp2 recomputes activations itself
    return args


def _megatron(train: Values, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `megatron sft`, with the defaults of `swift sft` where its own would make another run."""
    sizes = train["parallel"]
    args: dict[str, Any] = {"tuner_type": "lora", "merge_lora": False}
    if sizes["tensor"] > 1:
        args["sequence_parallel"] = True
    checkpointing = given.pop("gradient_checkpointing", None)
    if checkpointing is not None and "recompute_granularity" not in given:
        args["recompute_granularity"] = "full" if checkpointing else "none"
        if checkpointing:
            args |= {"recompute_method": "uniform", "recompute_num_layers": 1}
    args |= given
    args["micro_batch_size"] = train["batchSizePerGpu"]
    args["global_batch_size"] = _per_pass(train) * accumulation(train)
    args |= {f"{name}_model_parallel_size": sizes[name] for name in ("tensor", "pipeline", "expert")}
    args["context_parallel_size"] = sizes["context"]
    return args
