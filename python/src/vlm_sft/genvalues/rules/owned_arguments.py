"""ms-swift arguments and variables that the chart sets from keys of its own, so that no file may pass them on too."""

from collections.abc import Iterator
from typing import Any

ARGUMENTS = {
    "model": "model.id",
    "model_revision": "model.revision",
    "dataset": "train.dataset",
    "val_dataset": "train.valDataset",
    "per_device_train_batch_size": "train.batchSizePerGpu",
    "gradient_accumulation_steps": "train.gradientAccumulationSteps",
    "micro_batch_size": "train.batchSizePerGpu",
    "global_batch_size": "train.effectiveBatchSize",
    "tensor_model_parallel_size": "train.parallel.tensor",
    "pipeline_model_parallel_size": "train.parallel.pipeline",
    "expert_model_parallel_size": "train.parallel.expert",
    "context_parallel_size": "train.parallel.context",
    "sequence_parallel_size": "train.parallel.sequence",
    "output_dir": "the release name",
    "add_version": "the release name",
    "resume_from_checkpoint": "the run directory",
    "mcore_model": "the run directory",
    "mcore_adapter": "the run directory",
    "finetune": "the run directory",
    "deepspeed": "train.sharding",
    "fsdp": "train.sharding",
    "use_cpu": "train.accelerator",
    "ddp_backend": "train.accelerator",
    "use_hf": "model.id",
}
VARIABLES = {
    "NPROC_PER_NODE": "train.gpusPerNode",
    "NNODES": "train.nodes",
    "NODE_RANK": "train.nodes",
    "MASTER_ADDR": "train.nodes",
    "MASTER_PORT": "train.nodes",
    "CUDA_VISIBLE_DEVICES": "train.accelerator",
    "HF_HUB_OFFLINE": "offline",
    "HF_TOKEN": "huggingFace.tokenSecret",
    "JOB_NAME": "train.nodes",
    "JOBSET_NAME": "train.nodes",
    **dict.fromkeys(
        ("HOME", "USER", "HF_HOME", "MODELSCOPE_CACHE", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR"),
        "the pod's environment",
    ),
    "PYTHONUNBUFFERED": "the pod's environment",
}
EVALUATE_ARGUMENTS = {
    "model": "model.id",
    "model_revision": "model.revision",
    "val_dataset": "evaluate.dataset",
    "result_path": "the run directory",
    "adapters": "the run directory",
    "use_hf": "model.id",
}
SERVE_ARGUMENTS = {
    **dict.fromkeys(("model", "adapters", "use_hf"), "serve.model"),
    **dict.fromkeys(("host", "port"), "the Service"),
    **dict.fromkeys(("api_key", "api-key"), "serve.apiKeySecret"),
    "tensor-parallel-size": "serve.gpus",
}
_PLACES = {
    ("train", "args"): ARGUMENTS,
    ("train", "env"): VARIABLES,
    ("evaluate", "env"): VARIABLES,
    ("fabric", "env"): VARIABLES,
    ("evaluate", "args"): EVALUATE_ARGUMENTS,
    ("serve", "args"): SERVE_ARGUMENTS,
}


def owned(values: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and message of each argument that has two masters."""
    for (section, part), table in _PLACES.items():
        for name in values[section][part]:
            if name in table:
                yield (section, part, name), f"set, but the chart sets it from {table[name]}; remove it here"
