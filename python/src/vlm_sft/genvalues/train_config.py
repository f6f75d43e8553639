"""TrainConfig: ms-swift's arguments and environment of a run, as templates/_swift.tpl writes them into train.yaml."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_sft.genvalues.go_json import go_json

Values = Mapping[str, Any]


@dataclass(frozen=True)
class TrainConfig:
    """Arguments of `swift sft` without output_dir, and the ENV block; what makes a run this run and no other."""

    args: dict[str, Any]
    env: dict[str, Any]

    def run_dir(self, release: str) -> str:
        """Return the run directory: another config is another directory."""
        content = go_json({"args": self.args, "env": self.env})
        return f"/outputs/{release}/{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def args_for(self, release: str) -> dict[str, Any]:
        """Return all arguments, sorted by name as in train.yaml."""
        return dict(sorted({**self.args, "output_dir": self.run_dir(release)}.items()))


def train_config(values: Values) -> TrainConfig:
    """Return what the chart renders from merged values that have passed the schema and the chart's rules."""
    train = values["train"]
    dataset, val_dataset = _datasets(values)
    args = _given(train["args"]) | {"model": values["model"]["id"], "use_hf": True, "dataset": dataset}
    if values["model"]["revision"]:
        args["model_revision"] = values["model"]["revision"]
    if val_dataset:
        args["val_dataset"] = val_dataset
    args["per_device_train_batch_size"] = train["batchSizePerGpu"]
    args["gradient_accumulation_steps"] = _accumulation(train)
    args["add_version"] = False
    env = _given(train["env"]) | {"NPROC_PER_NODE": train["gpusPerNode"]}
    if train["nodes"] > 1:
        env["NNODES"] = train["nodes"]
    _set_backend(train, args, env)
    return TrainConfig(dict(sorted(args.items())), dict(sorted(env.items())))


def _set_backend(train: Values, args: dict[str, Any], env: dict[str, Any]) -> None:
    if train["accelerator"] == "cpu":
        args["use_cpu"] = True
        env["CUDA_VISIBLE_DEVICES"] = ""
        if train["gpusPerNode"] * train["nodes"] > 1:
            args["ddp_backend"] = "gloo"
    if train["sharding"].startswith("zero"):
        args["deepspeed"] = train["sharding"]
    elif train["sharding"] == "fsdp2":
        args["fsdp"] = "fsdp2"
        args["gradient_checkpointing"] = False  # ms-swift's fsdp2 recomputes activations itself


def _accumulation(train: Values) -> int:
    """Return the forward passes per optimizer step, derived where only the effective size is given."""
    per_pass: int = train["batchSizePerGpu"] * train["gpusPerNode"] * train["nodes"]
    given: int = train.get("gradientAccumulationSteps") or 0
    effective: int = train.get("effectiveBatchSize") or 0
    return given or effective // per_pass


def _datasets(values: Values) -> tuple[list[str], list[str]]:
    """Return what is trained and validated on: what is named, else what the preparation writes."""
    prepare, train = values["prepare"], values["train"]
    dataset, val_dataset = train["dataset"], train["valDataset"]
    if not dataset and prepare["enabled"] and prepare["dataset"]:
        files = {split: f"{prepare['outputDir']}/fire_bc_{split}.jsonl" for split in prepare["splits"]}
        dataset = [file for split, file in files.items() if split != "test"]
        if not val_dataset and "test" in files:
            val_dataset = [files["test"]]
    return dataset, val_dataset


def _given(mapping: Values) -> dict[str, Any]:
    """Return the mapping without the keys that are null, which delete a default."""
    return {name: value for name, value in mapping.items() if value is not None}
