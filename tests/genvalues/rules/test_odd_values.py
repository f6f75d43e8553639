"""No value at any key of the chart makes a traceback: it is valid or reported."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.problem import Problem

ROOT = Path(__file__).parents[3]
CHART = load_chart(ROOT / "charts" / "vlm-sft")
NAUTILUS = ROOT / "values" / "clusters" / "nautilus.yaml"
FIRE: dict[str, Any] = load_experiment(CHART, ROOT / "values" / "fire-4gpu.yaml", [], []).values or {}
ODD = [None, 0, -1, 1.5, 1e308, 10**30, True, "", "x", "1", "8k", [], {}, [None], [{}], ["a", "#"], {"a": {"b": [1]}}]
ARGUMENTS = [
    "attn_impl",
    "eval_steps",
    "learning_rate",
    "lora_rank",
    "max_length",
    "max_steps",
    "num_train_epochs",
    "optim",
    "packing",
    "quant_bits",
    "save_steps",
    "save_strategy",
    "sequence_parallel_size",
    "split_dataset_ratio",
    "target_modules",
    "truncation_strategy",
    "tuner_type",
]
TOO_LONG = "got {}, but the model has 262144 positions; use at most 262144, or set rope_scaling"
PASSED_THROUGH = [
    *(f"train.args.{name}" for name in ARGUMENTS),
    *("train.env.IMAGE_MAX_TOKEN_NUM", "train.env.MAX_PIXELS", "train.env.MIN_PIXELS"),
    *("train.resources.limits.memory", "jupyter.resources.limits.cpu", "prepare.resources.requests.cpu"),
]


def keys(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        yield ".".join((*path, name))
        yield from keys(part, (*path, name))


def put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.get(parent)
        values[parent] = values = inner if isinstance(inner, dict) else {}
    values[last] = value


def load(folder: Path, changes: list[tuple[str, Any]]) -> list[Problem]:
    values = json.loads(json.dumps(FIRE))
    for key, value in changes:
        put(values, key, value)
    (folder / "v.yaml").write_text(json.dumps(values))
    return load_experiment(CHART, folder / "v.yaml", [NAUTILUS], []).problems


def test_odd_values_at_random_keys_are_valid_or_reported(tmp_path: Path) -> None:
    dice = random.Random(7)
    every = [*keys(CHART.schema), *PASSED_THROUGH]  # type: ignore[arg-type]
    for _ in range(120):
        drawn = [(dice.choice(every), dice.choice(ODD)) for _ in range(dice.choice([1, 1, 2, 3]))]
        wordless = [problem for problem in load(tmp_path, drawn) if not (problem.key and problem.message)]
        assert wordless == [], drawn


@pytest.mark.parametrize(
    ("key", "value", "messages"),
    [
        ("train.args.torch_compile_backend", ["a"], ["got a list of 1, need text"]),
        ("train.args.torch_compile_backend", {}, ["got a mapping, need text"]),
        ("train.args.save_strategy", ["no"], ['got a list of 1, need one of "no", "steps", "epoch", "best"']),
        # Whole numbers, as ms-swift wants them; no size can be computed.
        ("train.args.lora_rank", 10**30, []),
        ("train.args.max_length", 10**30, [TOO_LONG.format("1e+30")]),
        ("train.args.max_length", float("1e308"), [TOO_LONG.format("1e+308")]),
    ],
)
def test_what_once_made_a_traceback_is_valid_or_reported(
    key: str, value: Any, messages: list[str], tmp_path: Path
) -> None:
    assert [problem.message for problem in load(tmp_path, [(key, value)]) if problem.key == key] == messages
