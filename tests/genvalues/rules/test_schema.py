"""What jsonschema finds, with the path of the key itself; and a schema whose keywords are all known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from vlm_sft.genvalues.rules.schema import violations

ROOT = Path(__file__).parents[3]
SCHEMAS = [ROOT / "charts/vlm-sft/values.schema.json", ROOT / "tests/data/genvalues/chart/values.schema.json"]
WORDS = """
    $ref $schema additionalProperties allOf anyOf const definitions description else enum examples exclusiveMaximum
    exclusiveMinimum if items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum
    multipleOf not oneOf pattern patternProperties properties propertyNames required then title type uniqueItems
"""
KEYWORDS = set(WORDS.split())
OF_NAMES = ("properties", "patternProperties", "definitions")  # whose keys are names, not keywords
OF_VALUES = ("enum", "const", "examples", "required")


def keywords(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from keywords(part)
    elif isinstance(schema, dict):
        for name, part in schema.items():
            yield name
            if name in OF_NAMES:
                for inner in part.values():
                    yield from keywords(inner)
            elif name not in OF_VALUES:
                yield from keywords(part)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.parent.name)
def test_the_schema_has_no_keyword_that_json_schema_would_ignore(path: Path) -> None:
    schema = json.loads(path.read_text())
    Draft7Validator.check_schema(schema)
    assert set(keywords(schema)) <= KEYWORDS


def test_a_misspelt_keyword_is_found_at_any_depth() -> None:
    assert "minmum" in set(keywords({"properties": {"minmum": {"anyOf": [{"items": {"minmum": 1}}]}}}))
    assert set(keywords({"properties": {"minmum": {}}, "enum": [{"x": 1}]})) == {"properties", "enum"}


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        ({"additionalProperties": False, "properties": {"a": {}}}, {"a": 1, "b": 2, "c": 3},
         [(("b",), "additionalProperties"), (("c",), "additionalProperties")]),
        ({"required": ["a", "b"]}, {"b": 1}, [(("a",), "required")]),
        ({"properties": {"m": {"propertyNames": {"pattern": "^[a-z]+$"}}}}, {"m": {"A": 1}},
         [(("m", "A"), "propertyNames")]),
        ({"items": {"type": "integer"}}, [1, "x"], [((1,), "type")]),
        ({"definitions": {"n": {"minimum": 1}}, "properties": {"a": {"$ref": "#/definitions/n"}}}, {"a": 0},
         [(("a",), "minimum")]),
        ({"type": "integer"}, True, [((), "type")]),
        ({"type": "integer"}, 2.0, []),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, [(("b",), "required")]),
    ],
)  # fmt: skip
def test_a_violation_has_the_path_of_its_key(schema: Any, value: Any, found: list[tuple[Any, str]]) -> None:
    assert [(one.path, one.keyword) for one in violations(schema, value)] == found


def test_the_branches_of_a_choice_keep_their_paths() -> None:
    schema = {
        "properties": {
            "a": {"anyOf": [{"type": "integer"}, {"properties": {"b": {"type": "string"}}, "type": "object"}]}
        }
    }
    (violation,) = violations(schema, {"a": {"b": 1}})
    assert (violation.path, violation.keyword) == (("a",), "anyOf")
    assert [[(cause.path, cause.keyword) for cause in branch] for branch in violation.causes] == [
        [(("a",), "type")],
        [(("a", "b"), "type")],
    ]
