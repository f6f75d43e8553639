"""TrainConfig: ms-swift's arguments and environment of a run, as templates/_swift.tpl writes them into train.yaml."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_sft.genvalues.sizing.backend_arguments import backend_arguments
from vlm_sft.genvalues.values.go_json import go_json

Values = Mapping[str, Any]


@dataclass(frozen=True)
class TrainConfig:
    """Arguments of the backend without output_dir, and the ENV block; what makes a run this run and no other."""

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
    args = backend_arguments(train) | {"model": values["model"]["id"], "use_hf": True, "dataset": dataset}
    if values["model"]["revision"]:
        args["model_revision"] = values["model"]["revision"]
    if val_dataset:
        args["val_dataset"] = val_dataset
    args["add_version"] = False
    env = _given(train["env"]) | {"NPROC_PER_NODE": train["gpusPerNode"]}
    if train["nodes"] > 1:
        env["NNODES"] = train["nodes"]
    _set_accelerator(train, args, env)
    return TrainConfig(dict(sorted(args.items())), dict(sorted(env.items())))


def _set_accelerator(train: Values, args: dict[str, Any], env: dict[str, Any]) -> None:
    if train["accelerator"] == "cpu":
        args["use_cpu"] = True
        env["CUDA_VISIBLE_DEVICES"] = ""
        if train["gpusPerNode"] * train["nodes"] > 1:
            args["ddp_backend"] = "gloo"


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
