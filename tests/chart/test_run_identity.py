"""The run directory's hash covers what changes the mathematics of a run, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

BASE: dict[str, Any] = {
    "model": {"id": "org/model", "revision": "1.0"},
    "train": {
        "dataset": ["/cache/rows.jsonl"],
        "effectiveBatchSize": 16,
        "gpusPerNode": 4,
        "args": {"learning_rate": 1.0e-4},
    },
}


def run(render: Render, *values: Any) -> tuple[str, str]:
    """Return the run directory, and what its hash stands for."""
    manifests = render(BASE, *values)
    (data,) = [m["data"] for m in manifests if m["kind"] == "ConfigMap" and "train.yaml" in m["data"]]
    folder = yaml.safe_load(data["train.yaml"])["output_dir"]
    assert [folder] == [
        m["metadata"]["annotations"]["vlm-sft/run-dir"]
        for m in manifests
        if "-train-" in m["metadata"]["name"] and m["kind"] == "Job"
    ]
    return folder, data["run.yaml"]


def args(**given: Any) -> dict[str, Any]:
    return {"train": {"args": given}}


def env(**given: Any) -> dict[str, Any]:
    return {"train": {"env": given}}


SAME = [
    args(logging_steps=1, save_total_limit=9, dataloader_num_workers=4, dataset_num_proc=8, report_to=["none"]),
    args(save_steps=7, eval_steps=7, eval_strategy="epoch", save_strategy="epoch", per_device_eval_batch_size=2),
    args(gradient_checkpointing=False, ddp_timeout=60, log_level="debug", logging_steps=None),
    env(
        NCCL_DEBUG="INFO", HTTPS_PROXY="http://proxy:80", no_proxy="*", HF_ENDPOINT="https://mirror", OMP_NUM_THREADS=4
    ),
    env(LOG_LEVEL="DEBUG", TORCH_NCCL_BLOCKING_WAIT=1),
    args(greater_is_better=True, metric_for_best_model="loss"),
    {"train": {"valDataset": ["/cache/other.jsonl"]}},
    args(learning_rate="1e-4"),
    args(learning_rate="0.00010"),
    args(learning_rate="1E-04"),
    args(split_dataset_ratio="0"),
    {"train": {"gpusPerNode": 2}},
    {
        "train": {"gpusPerNode": 1, "nodes": 2, "batchSizePerGpu": 4},
        "storage": {"cache": {"accessMode": "ReadWriteMany"}},
    },
    {"train": {"effectiveBatchSize": None, "gradientAccumulationSteps": 4}},
    {"train": {"shmSize": "1Gi", "logBatches": "all"}},
]
OTHER = [
    args(learning_rate=1.1e-4),
    args(learning_rate=None),
    args(a_new_argument=1),
    args(seed=7),
    args(num_train_epochs=2),
    args(early_stop_interval=2),
    env(A_NEW_VARIABLE=1),
    env(IMAGE_MAX_TOKEN_NUM=1024),
    env(MY_NCCL_DEBUG=1),
    {"train": {"effectiveBatchSize": 32}},
    {"train": {"sharding": "zero2"}},
    {"train": {"dataset": ["/cache/rows.jsonl#5"]}},
    {"model": {"revision": "1.00"}},
]


@pytest.mark.parametrize("change", SAME, ids=str)
def test_the_run_stays_the_same(render: Render, change: Any) -> None:
    assert run(render, change) == run(render)


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_another_run_has_another_directory(render: Render, change: Any) -> None:
    (before, identity), (after, other) = run(render), run(render, change)
    assert before != after
    assert identity != other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (args(packing=True), args(packing="True")),
        (args(packing=False), args(packing="false")),
        (args(adapters=[1, "a"]), args(adapters=["1.0", "a"])),
        (args(lr_scheduler_type="constant", max_steps=10), args(lr_scheduler_type="constant", num_train_epochs=9)),
        (
            {"train": {"sharding": "zero3"}},
            {"train": {"sharding": "zero3", "gpusPerNode": 2}},
        ),  # the trainer refuses it
        (args(lora_rank=8), args(lora_rank="8")),
        (args(lr_scheduler_kwargs={"min_lr": 1.0e-6}), args(lr_scheduler_kwargs='{"min_lr": 0.000001}')),
        (env(MAX_PIXELS=1003520), env(MAX_PIXELS="1003520")),
        (args(split_dataset_ratio=0.1, eval_strategy="no"), args(eval_strategy="no")),
        (args(split_dataset_ratio=0.1, save_strategy="no"), args(save_strategy="no")),
    ],
    ids=str,
)
def test_two_spellings_are_one_run(render: Render, one: Any, other: Any) -> None:
    assert run(render, one) == run(render, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (args(early_stop_interval=2), args(early_stop_interval=2, eval_steps=7)),  # validation ends the run
        (args(load_best_model_at_end=True), args(load_best_model_at_end="true", greater_is_better=True)),
        (args(lr_scheduler_type="cosine", max_steps=10), args(lr_scheduler_type="cosine", max_steps=20)),
        (args(split_dataset_ratio=0.1), args(split_dataset_ratio=0.1, eval_strategy="no")),
        (args(system="1"), args(system="1.0")),
        (args(lr_scheduler_kwargs="{a"), args(lr_scheduler_kwargs="{b")),
        (args(packing=True), args(packing=1)),
    ],
    ids=str,
)
def test_two_values_are_two_runs(render: Render, one: Any, other: Any) -> None:
    assert run(render, one)[0] != run(render, other)[0]


def test_the_hash_stands_for_what_the_config_map_shows(render: Render) -> None:
    assert yaml.safe_load(run(render, args(seed="7"), env(A="1e3", B="text"))[1]) == {
        "add_version": False,
        "dataset": ["/cache/rows.jsonl"],
        "effective_batch_size": 16,
        "learning_rate": 0.0001,
        "model": "org/model",
        "model_revision": "1.0",
        "seed": 7,
        "split_dataset_ratio": 0,
        "torch_dtype": "bfloat16",
        "ENV": {"A": 1000, "B": "text"},
    }


def test_megatron_has_its_own_batch_and_length(render: Render) -> None:
    megatron = {"train": {"backend": "megatron", "args": {"num_train_epochs": 1, "learning_rate": None}}}
    before = run(render, megatron)
    assert run(render, megatron, {"train": {"gpusPerNode": 2}}) == before
    assert run(render, megatron, args(recompute_granularity="none", eval_iters=3)) == before
    for change in ({"train": {"batchSizePerGpu": 2}}, {"train": {"effectiveBatchSize": 32}}, args(lr=1.0e-4)):
        assert run(render, megatron, change)[0] != before[0]
