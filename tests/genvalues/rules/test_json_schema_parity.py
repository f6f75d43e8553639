"""Our draft-07 module, the jsonschema package and both Helms allow and refuse the same values."""

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from helm_judge import refused_by_schema
from vlm_sft.genvalues.rules.json_schema import KEYWORDS, violations
from vlm_sft.genvalues.rules.schema_checks import SchemaError

SCHEMAS: list[Any] = json.loads((Path(__file__).parents[2] / "data/genvalues/schemas.json").read_text())
DEFINITIONS = {
    "quantity": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+(Gi|m)?$"}]}
}
SCALARS = [
    0,
    1,
    2,
    3,
    1.0,
    1.5,
    0.5,
    -1,
    17,
    1e21,
    0.1,
    "",
    "a",
    "1",
    "ddp",
    "5Gi",
    "x\n",
    "abcd",
    "a-b",
    "-a",
    "éé",
    True,
    False,
]
KEYS = ["a", "b", "ab", "A", "c"]
CASES = 50  # drawn values per schema, beside every scalar


def value(dice: random.Random, depth: int = 0) -> Any:
    roll = dice.random()
    if depth < 2 and roll < 0.25:
        return [value(dice, depth + 1) for _ in range(dice.randint(0, 3))]
    if depth < 2 and roll < 0.6:
        return {dice.choice(KEYS): value(dice, depth + 1) for _ in range(dice.randint(0, 3))}
    return dice.choice(SCALARS)


def pairs(number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": DEFINITIONS,
        "properties": {"v": SCHEMAS[number]},
    }
    dice = random.Random(number)
    return schema, [{"v": one} for one in SCALARS] + [{"v": value(dice)} for _ in range(CASES)]


@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_the_jsonschema_package_agrees(number: int) -> None:
    schema, values = pairs(number)
    judge = jsonschema.Draft7Validator(schema)
    for one in values:
        if "x\\n" in json.dumps(one):
            continue  # Python's $ matches before a last newline, Go's and ours do not: Helm decides
        assert judge.is_valid(one) == (not [*violations(schema, one)]), one


@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_both_helms_agree(helm: Path, tmp_path: Path, number: int) -> None:
    schema, values = pairs(number)
    refused = refused_by_schema(helm, tmp_path, json.dumps(schema), [json.dumps(one).encode() for one in values])
    assert refused == [bool([*violations(schema, one)]) for one in values], [
        one for one, bad in zip(values, refused, strict=True) if bad != bool([*violations(schema, one)])
    ]


def test_every_keyword_of_the_module_is_tried() -> None:
    tried = {key for schema in SCHEMAS if isinstance(schema, dict) for key in schema}
    silent = {
        "$schema",
        "$id",
        "$comment",
        "title",
        "description",
        "default",
        "examples",
        "definitions",
        "readOnly",
        "writeOnly",
    }
    assert KEYWORDS - tried - silent == set()


@pytest.mark.parametrize("schema", [{"mimimum": 1}, {"type": "int"}, {"format": "ipv4"}, {"$ref": "#/definitions/no"}])
def test_a_misspelt_schema_is_an_error(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        list(violations(schema, 1))
