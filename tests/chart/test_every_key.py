"""Every key of the chart has an effect: another value changes the rendered output."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_keys import LEAVES, Key, nested, value_at, value_keys

DATA = Path(__file__).parents[1] / "data" / "chart"
ANOTHER: dict[str, Any] = yaml.safe_load((DATA / "another.yaml").read_text(encoding="utf-8"))

Template = Callable[..., subprocess.CompletedProcess[str]]

# Further values that a key needs, in both renderings, to be valid or to have an effect.
ROWS = {"train": {"dataset": ["a/b"]}, "evaluate": {"dataset": ["a/b"]}}
ONE_NODE = {"train": {"nodes": 1, "gradientAccumulationSteps": None}}
MEGATRON = {
    "train": {"backend": "megatron", "sharding": "ddp", "gradientAccumulationSteps": None, "args": {"train_iters": 9}}
}
EVALUATED = {"evaluate": {"dataset": ["a/b"]}}
HUB = {"prepare": {"dataset": "hub", "input": "a/b"}, **EVALUATED}
OASST1 = {"prepare": {"dataset": "oasst1"}}
TEACHER = ("address", "model", "threshold", "maxRounds", "penalty", "apiKeySecret.name", "apiKeySecret.key")
FREE = {
    "evaluate": {
        "task": "fire-free",
        "teacher": {"address": "http://t:1/v1", "model": "t", "apiKeySecret": {"name": "a"}},
    }
}
DATA_POD = [f"{kind}.{name}" for kind in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")]
BESIDE_TRAINING = ("jupyter", "serve", "sync", "tensorboard")  # their pods keep the outputs claim mounted
EXTRA: dict[str, dict[str, Any]] = {
    "image.allowLatest": {"image": {"tag": "latest"}},
    "train.backend": {"train": {"sharding": "ddp", "args": {"num_train_epochs": 1}}},
    "train.parallel.sequence": {"train": {"gradientAccumulationSteps": None}},
    **dict.fromkeys((f"train.parallel.{size}" for size in ("tensor", "pipeline", "expert", "context")), MEGATRON),
    "prepare.maxHistoryRounds": {"prepare": {"layout": "steps"}},
    "prepare.volcano.as": {"prepare": {"dataset": "volcano"}, **EVALUATED},
    "prepare.geo3k.target": {"prepare": {"dataset": "geo3k"}},
    **dict.fromkeys((f"prepare.oasst1.{key}" for key in ("threads", "languages", "unreviewed")), OASST1),
    **dict.fromkeys(("prepare.columns", "prepare.subset"), HUB),
    "kueue.priorityClass": {"kueue": {"queueName": "team"}},
    "kueue.hold": {"kueue": {"queueName": "team"}},
    "train.runtimeRef.kind": {"train": {"launcher": "trainjob"}},
    "train.runtimeRef.name": {"train": {"launcher": "trainjob"}},
    "prepare.enabled": ROWS,
    "prepare.dataset": ROWS,
    **dict.fromkeys(("prepare.splits", "train.dataset"), EVALUATED),
    "model.download": {"model": {"id": "a/b"}},
    "storage.cache.accessMode": ONE_NODE,
    "storage.outputs.accessMode": {**ONE_NODE, **{key: {"enabled": False} for key in BESIDE_TRAINING}},
    "train.enabled": {"evaluate": {"enabled": False}, "export": {"enabled": False}},
    "evaluate.everySteps": {"train": {"sharding": "ddp"}},
    "evaluate.everyStepsSamples": {"train": {"sharding": "ddp"}, "evaluate": {"everySteps": 5}},
    **dict.fromkeys((f"evaluate.teacher.{key}" for key in TEACHER), FREE),
    "evaluate.model": {"train": {"enabled": False}, "export": {"enabled": False}, "evaluate": {"model": "org/model"}},
    "networkPolicy.extraEgress": {"networkPolicy": {"enabled": True}},
    "caCertificates.key": {"caCertificates": {"configMap": "ca"}},
    **{f"dataPod.resources.{part}": {"dataPod": {"enabled": True}} for part in DATA_POD},
    "dataPod.activeDeadlineSeconds": {"dataPod": {"enabled": True}},
    "serve.engine": {"serve": {"image": "vllm/vllm-openai:v0.11.0"}},
    "train.accelerator": {"train": {"sharding": "ddp"}},
    "train.gpusPerNode": {"train": {"gradientAccumulationSteps": None}},
    "train.nodes": {"train": {"gradientAccumulationSteps": None}},
    "train.batchSizePerGpu": {"train": {"gradientAccumulationSteps": None}},
    "train.gradientAccumulationSteps": {"train": {"effectiveBatchSize": None}},
    "train.effectiveBatchSize": {"train": {"gradientAccumulationSteps": None}},
}


def test_every_key_has_another_value() -> None:
    assert {key for key in value_keys(ANOTHER) if key in LEAVES} == set(LEAVES)


@pytest.mark.parametrize("key", LEAVES, ids=".".join)
def test_every_key_changes_the_rendered_output(template: Template, everything: Path, key: Key) -> None:
    extra = EXTRA.get(".".join(key), {})
    before, after = template(everything, extra), template(everything, extra, nested(key, value_at(ANOTHER, key)))
    assert after.returncode == 0, after.stderr
    assert before.stdout != after.stdout  # empty where the chart refuses the values without the key
