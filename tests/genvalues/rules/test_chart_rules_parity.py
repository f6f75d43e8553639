"""What the chart's `fail`s say and what genvalues says is the same, word for word, for values drawn at random."""

# ruff: noqa: E501 - messages are compared whole

import json
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.genvalues.rules.chart_rules import chart_findings, check_release_name
from vlm_sft.genvalues.values.helm_yaml import ValuesFile, read_values_file
from vlm_sft.genvalues.values.merge import merge_defaults
from vlm_sft.genvalues.values.node import dotted

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
SEEDS = 120
GOOD = {"model.id": "Qwen/Qwen3-VL-8B-Instruct", "train.effectiveBatchSize": 16, "prepare.dataset": "fire"}
CHANGES: list[dict[str, Any]] = [
    {"model.id": ""}, {"model.id": "/models/x"}, {"model.gated": True, "huggingFace.tokenSecret.name": ""}, {"offline": True},
    {"model.download": False}, {"prepare.enabled": False}, {"prepare.dataset": ""}, {"prepare.splits": ["test"]}, {"prepare.splits": ["1m"]},
    {"train.enabled": False}, {"train.gpusPerNode": 3}, {"train.nodes": 2}, {"train.batchSizePerGpu": 5}, {"train.accelerator": "cpu"},
    {"train.effectiveBatchSize": None}, {"train.effectiveBatchSize": 63}, {"train.effectiveBatchSize": 2}, {"train.sharding": "zero3"},
    {"train.gradientAccumulationSteps": 4}, {"train.gradientAccumulationSteps": 16}, {"train.dataset": ["a.jsonl"]},
    {"train.valDataset": ["b.jsonl"]}, {"evaluate.enabled": True}, {"evaluate.dataset": ["c.jsonl"]}, {"train.args.tuner_type": "full"},
    {"train.args.tuner_type": "full", "train.args.lora_rank": 8, "train.args.target_modules": ["q_proj"]},
    {"train.accelerator": "cpu", "train.sharding": "zero2"}, {"storage.outputs.accessMode": "ReadWriteOnce"},
    {"storage.outputs.existingClaim": "mine"}, {"storage.cache.accessMode": "ReadWriteMany"}, {"prepare.imageRoots": []},
    {"prepare.imageRoots": [], "prepare.skipImages": True}, {"train.resources.requests.memory": "65Gi"}, {"train.resources.limits.cpu": "500m"},
    {"prepare.resources.requests.cpu": 4.5}, {"train.resources.requests.memory": 80000000000}, {"train.resources.limits.memory": "8G"},
    {"jupyter.enabled": True, "jupyter.resources.limits": {"memory": "4096Mi"}}, {"train.shmSize": "65Gi"}, {"evaluate.shmSize": "1Ti"},
    {"train.parallel.sequence": 2}, {"train.parallel.sequence": 3}, {"train.parallel.context": 2}, {"train.parallel.tensor": 2, "train.parallel.pipeline": 2},
    {"train.sharding": "fsdp2", "evaluate.enabled": True, "train.args.save_only_model": True},
    {"train.backend": "megatron"}, {"train.backend": "megatron", "train.parallel.expert": 4, "train.gpusPerNode": 8},
    {"train.backend": "megatron", "train.parallel.tensor": 2, "train.gpusPerNode": 8, "train.args.num_train_epochs": 1, "train.args.gradient_checkpointing": None},
    {"train.args.model": "x"}, {"train.args.deepspeed": "zero2", "train.args.val_dataset": "y"}, {"train.env.NNODES": 2},
    {"evaluate.env.HF_TOKEN": "x"}, {"train.env.HF_HOME": "/outputs/hf", "evaluate.env.USER": "x"}, {"evaluate.args.adapters": ["x"]}, {"train.resources.limits": None}, {"evaluate.args.model": "m"},
    {"export.enabled": True}, {"serve.enabled": True}, {"serve.enabled": True, "serve.engine": "vllm", "serve.model": "x"}, {"sync.enabled": True},
    {"serve.args": {"model": "x", "tensor-parallel-size": 2}}, {"sync.env": {"RCLONE_S3_SECRET_ACCESS_KEY": "x", "A": "b"}},
    {"tensorboard.enabled": True, "storage.outputs.accessMode": "ReadWriteOncePod"}, {"export.enabled": True, "export.resources.requests.memory": "1Ti"},
    {"image.tag": "latest"}, {"image.allowLatest": True}, {"fabric.env.MASTER_PORT": 1, "kueue.priorityClass": "high"},
    {"prepare.maxHistoryRounds": 3, "prepare.loss": "revisions"},
]  # fmt: skip


def values(seed: int) -> dict[str, Any]:
    """Draw some changes to values that are good."""
    dice = random.Random(seed)
    flat = dict(GOOD)
    for change in dice.sample(CHANGES, k=dice.randint(1, 10)) if seed else []:
        flat |= change
    result: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        at = result
        for parent in parents:
            at = at.setdefault(parent, {})
            if at is None:
                break
        else:
            at[last] = value
    return result


@pytest.fixture(scope="session")
def rules_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart's defaults and rules, without the manifests."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "templates").mkdir()
    for name in ("Chart.yaml", "values.yaml"):
        shutil.copy(CHART / name, folder)
    for template in (CHART / "templates").glob("_*.tpl"):
        shutil.copy(template, folder / "templates")
    (folder / "templates" / "check.yaml").write_text('{{ include "vlm-sft.check" . }}\n')
    return folder


def said_by_helm(helm: Path, chart: Path, file: Path, release: str = "x") -> list[str]:
    command = [helm, "template", release, chart, "-f", file, "--kube-version", "1.31"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return []
    said = run.stderr.split("check.yaml:1:3): \n")
    assert len(said) == 2, run.stderr
    return said[1].split("\n\n")[0].splitlines()


def said_by_genvalues(chart: Path, file: Path) -> list[str]:
    defaults, user = read_values_file(chart / "values.yaml"), read_values_file(file)
    assert isinstance(defaults, ValuesFile)
    assert isinstance(user, ValuesFile)
    plain = merge_defaults(defaults.root, user.root)[0].plain()
    assert isinstance(plain, dict)
    return [f"{dotted(path)}: {message}" for path, message in chart_findings(plain)]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_chart_and_genvalues_say_the_same(helm: Path, rules_chart: Path, tmp_path: Path, seed: int) -> None:
    file = tmp_path / "v.yaml"
    file.write_text(json.dumps(values(seed)))
    assert Counter(said_by_genvalues(rules_chart, file)) == Counter(said_by_helm(helm, rules_chart, file))


def test_the_draws_reach_every_rule(rules_chart: Path, tmp_path: Path) -> None:
    heard: set[str] = set()
    for seed in range(SEEDS):
        (tmp_path / "v.yaml").write_text(json.dumps(values(seed)))
        heard |= {line.split(": ")[0] for line in said_by_genvalues(rules_chart, tmp_path / "v.yaml")}
    assert heard >= {
        "model.id", "huggingFace.tokenSecret.name", "offline", "train.effectiveBatchSize", "train.dataset", "prepare.splits",
        "evaluate.enabled", "evaluate.dataset", "train.sharding", "train.parallel", "train.parallel.tensor", "train.parallel.context",
        "train.parallel.sequence", "train.parallel.expert", "train.accelerator", "train.args.num_train_epochs", "train.args.save_only_model", "train.args.lora_rank", "train.args.target_modules",
        "storage.outputs.accessMode", "storage.cache.accessMode", "prepare.imageRoots", "train.resources.requests.memory", "train.shmSize", "train.args.model",
        "train.env.NNODES", "evaluate.env.HF_TOKEN", "evaluate.args.adapters", "export.enabled", "serve.model", "serve.image", "serve.args.model",
        "sync.destination", "sync.secretName", "sync.env.RCLONE_S3_SECRET_ACCESS_KEY", "image.tag", "kueue.priorityClass", "prepare.maxHistoryRounds",
    }  # fmt: skip


def test_a_wrong_release_name_is_refused_in_the_same_words(helm: Path, rules_chart: Path, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(json.dumps(values(0)))
    for name in ("a" * 41, "4gpu", "fire.bc"):
        said = said_by_helm(helm, rules_chart, tmp_path / "v.yaml", name)
        assert said == [f"release name: {check_release_name(name)}"]
    assert check_release_name("a" * 40) is None
