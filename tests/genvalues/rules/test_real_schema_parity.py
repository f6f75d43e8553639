"""The chart's own schema, on its defaults with something changed: our module, the jsonschema package and both Helms agree."""

# ruff: noqa: E501 - messages are compared whole

import copy
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from helm_judge import refused_by_schema
from vlm_sft.genvalues.rules.json_schema import KEYWORDS, violations
from vlm_sft.genvalues.values.chart import load_chart

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
BATCH, BATCHES = 150, 8
ODD = [
    0,
    1,
    -1,
    2.5,
    1e21,
    "",
    "x",
    "64Gi",
    "8",
    "A b",
    "/x",
    True,
    False,
    None,
    [],
    ["x"],
    [1],
    {},
    {"a": 1},
    {"a": "b"},
    [{}],
    "zero3",
    "cpu",
]


def changed(seed: int) -> Any:
    """Return the defaults with up to two keys replaced, removed, added or misspelt, at any depth."""
    dice = random.Random(seed)
    values: Any = load_chart(CHART).defaults.plain()
    for _ in range(dice.randint(0, 2)):
        at = values
        while True:
            key = dice.choice(list(at))
            if not isinstance(at[key], dict) or not at[key] or dice.random() < 0.1:
                break
            at = at[key]
        way = dice.random()
        if way < 0.7:
            at[key] = copy.deepcopy(dice.choice(ODD))
        elif way < 0.8:
            at.pop(key)
        else:
            at[dice.choice(["x", key + "s", key.upper(), "enabled"])] = copy.deepcopy(dice.choice(ODD))
        values = values or {"model": {}}
    return values


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_schema_means_the_same_to_all(helm: Path, tmp_path: Path, batch: int) -> None:
    schema = load_chart(CHART).schema
    values = [changed(seed) for seed in range(batch * BATCH, (batch + 1) * BATCH)]
    ours = [bool([*violations(schema, one)]) for one in values]
    judge = jsonschema.Draft7Validator(schema)
    assert ours == [not judge.is_valid(one) for one in values]
    # `helm lint` drops a default that is null before it looks, so a null stands for a missing key there.
    dropped = [_without_nulls(one) for one in values]
    refused = refused_by_schema(helm, tmp_path, json.dumps(schema), [json.dumps(one).encode() for one in dropped])
    assert refused == [bool([*violations(schema, one)]) for one in dropped]
    assert 0.3 < sum(refused) / len(refused) < 0.95


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    return value


def test_the_schema_uses_no_keyword_that_we_do_not_check() -> None:
    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            assert schema.keys() <= KEYWORDS, schema.keys() - KEYWORDS
            for name, part in schema.items():
                if name in ("properties", "patternProperties", "definitions"):
                    for sub in part.values():
                        walk(sub)
                elif name in (
                    "items",
                    "additionalProperties",
                    "not",
                    "if",
                    "then",
                    "else",
                    "contains",
                    "propertyNames",
                ):
                    walk(part)
                elif name in ("allOf", "anyOf", "oneOf"):
                    for sub in part:
                        walk(sub)

    walk(load_chart(CHART).schema)
