"""Values -> ms-swift's own YAML config: numbers are exact, and ms-swift's parser accepts every argument."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from vlm_sft.launch.command import argv
from vlm_sft.swift_arguments.check import check_arguments

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "values").glob("*.yaml"))

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

BASE: dict[str, Any] = {
    "model": {"id": "org/model"},
    "train": {"dataset": ["org/rows#500"], "effectiveBatchSize": 16, "gpusPerNode": 2},
}
LORA = {"tuner_type": "lora", "target_modules": "all-linear"}
# Settings that define the experiments; changing one changes the experiment.
FIGURES: dict[str, dict[str, Any]] = {
    "fire-4gpu": {
        **LORA,
        "model": "Qwen/Qwen3-VL-32B-Instruct",
        "dataset": ["/outputs/fire_bc/fire_bc_train.jsonl"],
        "val_dataset": ["/outputs/fire_bc/fire_bc_test.jsonl"],
        "lora_rank": 32,
        "lora_alpha": 64,
        "lora_dropout": 0.05,
        "freeze_vit": True,
        "freeze_aligner": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 16,
        "deepspeed": "zero3",
        "use_liger_kernel": True,
        "learning_rate": 1e-4,
        "warmup_ratio": 0.05,
        "weight_decay": 0.01,
        "max_length": 8192,
        "torch_dtype": "bfloat16",
        "attn_impl": "flash_attn",
        "gradient_checkpointing": True,
        "eval_steps": 500,
        "save_steps": 500,
        "save_total_limit": 3,
        "ENV": {"IMAGE_MAX_TOKEN_NUM": 2048, "NPROC_PER_NODE": 4},
    },
    "qwen3-8b-2gpu": {
        **LORA,
        "model": "Qwen/Qwen3-8B",
        "dataset": ["/outputs/hub/vicgalle-alpaca-gpt4-2c47ab7d/data.parquet#500"],
        "lora_rank": 8,
        "lora_alpha": 16,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 16,
        "learning_rate": 2e-4,
        "max_length": 2048,
        "ENV": {"NPROC_PER_NODE": 2},
    },
    "qwen3-8b-1gpu": {**LORA, "gradient_accumulation_steps": 32, "max_length": 2048, "ENV": {"NPROC_PER_NODE": 1}},
    "smoke": {
        **LORA,
        "model": "/cache/sample/model",
        "use_cpu": True,
        "ddp_backend": "gloo",
        "ENV": {"CUDA_VISIBLE_DEVICES": "", "IMAGE_MAX_TOKEN_NUM": 64, "NPROC_PER_NODE": 2},
    },
}


COMMANDS = {"train.yaml": "sft", "evaluate.yaml": "infer", "serve.yaml": "deploy"}


def config(manifests: list[Manifest], name: str = "train") -> dict[str, Any]:
    """Return a rendered config as ms-swift reads it."""
    text = next(
        m["data"][f"{name}.yaml"] for m in manifests if m["kind"] == "ConfigMap" and f"{name}.yaml" in m["data"]
    )
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@pytest.mark.parametrize("name", FIGURES)
def test_each_experiment_has_its_defining_settings(render: Render, name: str) -> None:
    found = config(render(ROOT / "values" / f"{name}.yaml"))
    assert {key: found.get(key) for key in FIGURES[name]} == FIGURES[name]


@pytest.mark.parametrize("values", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_effective_batch_on_the_job_is_the_product(render: Render, values: Path) -> None:
    manifests = render(values)
    for job in (m for m in manifests if m["kind"] == "Job" and "-train-" in m["metadata"]["name"]):
        found = config(manifests)
        if "micro_batch_size" in found:
            product = found["global_batch_size"]
        else:
            product = found["per_device_train_batch_size"] * found["gradient_accumulation_steps"]
            product *= found["ENV"]["NPROC_PER_NODE"] * found["ENV"].get("NNODES", 1)
        assert job["metadata"]["annotations"]["vlm-sft/effective-batch-size"] == str(product)
        assert found["add_version"] is False
        assert found["output_dir"] == job["metadata"]["annotations"]["vlm-sft/run-dir"]
        assert found["ddp_timeout"] == 1800


def test_ms_swift_accepts_every_rendered_argument(render: Render, everything: Path) -> None:
    lines = []
    for values in [*EXPERIMENTS, everything]:
        for manifest in render(values):
            for file, text in manifest.get("data", {}).items():
                if file not in COMMANDS:
                    continue
                args = yaml.safe_load(text)
                args.pop("ENV", None)
                if "micro_batch_size" in args:  # the parser of megatron needs megatron-core: the release's own table
                    assert list(check_arguments(args, "megatron")) == []
                    continue
                lines.append((COMMANDS[file], argv(args)))
    assert len(lines) >= 7
    lines.append(("sft", ["--lerning_rate", "1e-4"]))  # the parser does report unknown arguments
    script = Path(__file__).parent / "parse_with_swift.py"
    done = subprocess.run(
        [sys.executable, script], input=json.dumps(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[]] * (len(lines) - 1) + [["--lerning_rate", "1e-4"]]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1003520, "1003520"),
        (12345678901, "12345678901"),
        (0, "0"),
        (1e-4, "0.0001"),
        (1e-7, "1e-7"),
        (0.05, "0.05"),
        (-1, "-1"),
    ],
)
def test_numbers_keep_their_digits(render: Render, number: float, text: str) -> None:
    values = {"train": {"args": {"max_steps": number}, "env": {"MAX_PIXELS": number}}}
    (found,) = [m["data"]["train.yaml"].splitlines() for m in render(BASE, values) if m["kind"] == "ConfigMap"]
    assert f"max_steps: {text}" in found
    assert f"  MAX_PIXELS: {text}" in found


def test_zero_false_and_empty_are_values_and_null_removes(render: Render) -> None:
    args = {"lora_dropout": 0, "freeze_vit": False, "system": "", "report_to": [], "logging_steps": None, "new": None}
    env = {"A": 0, "B": False, "C": "", "D": None}
    found = config(render(BASE, {"train": {"args": args, "env": env}}))
    assert {key: found.get(key, "absent") for key in args} == {
        "lora_dropout": 0,
        "freeze_vit": False,
        "system": "",
        "report_to": [],
        "logging_steps": "absent",
        "new": "absent",
    }
    assert found["ENV"] == {"A": 0, "B": False, "C": "", "NPROC_PER_NODE": 2}


def test_evaluation_uses_the_model_settings_of_training(render: Render) -> None:
    args = {
        "max_length": 2048,
        "attn_impl": "sdpa",
        "torch_dtype": "float16",
        "learning_rate": 1.0e-4,
        "system": "Train.",
    }
    train = {"args": args, "env": {"MAX_PIXELS": 1003520, "A": "1", "B": "1"}, "valDataset": ["rows.jsonl"]}
    evaluate = {"enabled": True, "gpus": 2, "args": {"system": "", "max_new_tokens": None}, "env": {"A": 0, "B": ""}}
    found = config(render(BASE, {"train": train, "evaluate": evaluate}), "evaluate")
    assert found == {
        "model": "org/model",
        "use_hf": True,
        "val_dataset": ["rows.jsonl"],
        "max_length": 2048,
        "attn_impl": "sdpa",
        "torch_dtype": "float16",
        "system": "",
        "temperature": 0,
        "ENV": {"MAX_PIXELS": 1003520, "A": 0, "B": "", "NPROC_PER_NODE": 2},
    }


def test_evaluation_reads_the_set_that_training_splits_off(render: Render) -> None:
    train: dict[str, Any] = {"dataset": ["rows.jsonl"], "args": {"split_dataset_ratio": 0.01}}
    manifests = render({**BASE, "prepare": {"dataset": ""}}, {"train": train, "evaluate": {"enabled": True}})
    run_dir = config(manifests, "train")["output_dir"]
    assert config(manifests, "evaluate")["val_dataset"] == [f"{run_dir}/val_dataset.jsonl"]


def test_a_config_without_variables_has_no_env_block(render: Render) -> None:
    values = {"train": {"valDataset": ["rows.jsonl"]}, "evaluate": {"enabled": True}}
    assert "ENV" not in config(render(BASE, values), "evaluate")


@pytest.mark.parametrize(
    ("sharding", "expected"),
    [
        ("ddp", {"gradient_checkpointing": True}),
        ("zero2", {"deepspeed": "zero2", "gradient_checkpointing": True}),
        ("zero3", {"deepspeed": "zero3", "gradient_checkpointing": True}),
        ("fsdp2", {"fsdp": "fsdp2", "gradient_checkpointing": False}),
    ],
)
def test_sharding_becomes_arguments_of_ms_swift(render: Render, sharding: str, expected: dict[str, Any]) -> None:
    found = config(render(BASE, {"train": {"sharding": sharding}}))
    assert {key: found[key] for key in ("deepspeed", "fsdp", "gradient_checkpointing") if key in found} == expected


def test_one_process_on_a_cpu_needs_no_backend(render: Render) -> None:
    found = config(render(BASE, {"train": {"accelerator": "cpu", "gpusPerNode": 1}}))
    assert found["use_cpu"] is True
    assert "ddp_backend" not in found
    assert found["ENV"] == {"CUDA_VISIBLE_DEVICES": "", "NPROC_PER_NODE": 1}


@pytest.mark.parametrize(
    ("batch", "accumulation"),
    [
        ({"effectiveBatchSize": 64}, 8),
        ({"effectiveBatchSize": None, "gradientAccumulationSteps": 3}, 3),
        ({"effectiveBatchSize": 48, "gradientAccumulationSteps": 6}, 6),
    ],
)
def test_the_accumulation_is_set_or_derived(render: Render, batch: dict[str, Any], accumulation: int) -> None:
    found = config(render(BASE, {"train": {"batchSizePerGpu": 4, **batch}}))
    assert found["gradient_accumulation_steps"] == accumulation


def test_training_reads_the_prepared_files(render: Render) -> None:
    prepare = {"dataset": "fire", "outputDir": "/outputs/mine", "splits": ["train", "1m", "test"]}
    found = config(render(BASE, {"prepare": prepare, "train": {"dataset": []}}))
    assert found["dataset"] == ["/outputs/mine/fire_bc_train.jsonl", "/outputs/mine/fire_bc_1m.jsonl"]
    assert found["val_dataset"] == ["/outputs/mine/fire_bc_test.jsonl"]


def test_a_model_revision_is_downloaded_and_trained(render: Render) -> None:
    manifests = render(BASE, {"model": {"revision": "abc123"}, "train": {"dataset": ["/cache/rows.jsonl"]}})
    assert config(manifests)["model_revision"] == "abc123"
    steps = [
        c["command"]
        for m in manifests
        if m["kind"] == "Job"
        for c in m["spec"]["template"]["spec"].get("initContainers", [])
    ]
    assert steps == [["vlm-sft", "fetch", "org/model@abc123"]]


def test_offline_reaches_every_pod_that_trains_or_evaluates(render: Render, everything: Path) -> None:
    offline = {}
    for manifest in render(everything, {"offline": True}):
        pod = manifest["spec"]["template"]["spec"] if manifest["kind"] == "Job" else manifest.get("spec", {})
        for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
            variables = {variable["name"]: variable.get("value") for variable in container["env"]}
            offline[container["name"]] = variables.get("HF_HUB_OFFLINE")
    assert {name for name, value in offline.items() if value == "1"} == {"train", "evaluate", "export"}
