"""values.yaml, its schema, the templates and the README have the same keys; other keys are refused."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from chart_keys import (
    CHART,
    DEFAULTS,
    KEYS,
    SCHEMA,
    Key,
    comments,
    merged,
    nested,
    value_at,
    value_keys,
)
from vlm_sft.genvalues.commands.values_table import values_table

SECTIONS = [key for key, part in KEYS.items() if "properties" in part]
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
UNIT = re.compile(r"\[[^\]]+\]")


def test_the_schema_and_the_defaults_have_the_same_keys() -> None:
    optional = {key for key in KEYS if key[-1] == "ephemeral-storage"}
    assert set(value_keys(DEFAULTS)) == KEYS.keys() - optional
    assert not list(VALIDATOR.iter_errors(DEFAULTS))


def test_every_key_that_templates_read_is_in_the_defaults() -> None:
    known = {".".join(key) for key in value_keys(DEFAULTS)}
    read = set()
    for file in (path for path in CHART.glob("templates/**/*") if path.is_file()):
        text = file.read_text(encoding="utf-8")
        read |= set(re.findall(r"\.Values\.([A-Za-z][A-Za-z.]*[A-Za-z])", text))
        for variable, section in re.findall(r"\{\{-? \$(\w+) := \.Values\.([\w.]*\w)\b", text):
            read |= {f"{section}.{path}" for path in re.findall(rf"\${variable}\.([A-Za-z][A-Za-z.]*[A-Za-z])", text)}
    assert len(read) > 40
    assert read <= known, read - known


@pytest.mark.parametrize("section", [(), *SECTIONS], ids=".".join)
def test_a_misspelt_key_is_refused_at_every_depth(section: Key) -> None:
    (error,) = VALIDATOR.iter_errors(merged(DEFAULTS, nested((*section, "misspelt"), 1)))
    while error.context:
        (error,) = error.context
    assert error.message == "Additional properties are not allowed ('misspelt' was unexpected)"


# Optional in a container, so null may remove them.
MAY_GO = {("requests",), ("limits",)}


def complete(key: Key = ()) -> dict[str, Any]:
    """Return the schema that requires every default."""
    defaults = value_at(DEFAULTS, key)
    needed = [
        name for name in defaults if (*key, name) in KEYS and defaults[name] is not None and (name,) not in MAY_GO
    ]
    inner = {name: complete((*key, name)) for name in needed if "properties" in KEYS[(*key, name)]}
    return {"required": needed, **({"properties": inner} if any(inner.values()) else {})} if needed else {}


def test_no_default_may_be_missing_in_merged_values(update_goldens: bool) -> None:
    needed = complete()
    assert len(needed["required"]) == len(DEFAULTS)
    if update_goldens:
        SCHEMA["definitions"]["complete"] = needed
        (CHART / "values.schema.json").write_text(json.dumps(SCHEMA, indent=2) + "\n", encoding="utf-8")
    assert SCHEMA["definitions"]["complete"] == needed, "stale; run `make goldens`"
    # Only values merged by Helm have `global`, so a short file stays valid in an editor.
    assert (SCHEMA["if"], SCHEMA["then"]) == ({"required": ["global"]}, {"$ref": "#/definitions/complete"})
    assert list(VALIDATOR.iter_errors({})) == []


def test_helm_refuses_a_misspelt_key(
    template: Callable[..., subprocess.CompletedProcess[str]], everything: Path
) -> None:
    done = template(everything, {"train": {"resources": {"limits": {"mem": "1Gi"}}, "gpuPerNode": 4}})
    assert done.returncode == 1
    assert "additional properties 'gpuPerNode' not allowed" in done.stderr
    assert "additional properties 'mem' not allowed" in done.stderr


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every schema within a schema."""
    yield schema
    for keyword, part in schema.items():
        if keyword in ("properties", "definitions"):
            inner = part.values()
        elif keyword == "allOf":
            inner = part
        else:
            inner = [part] if keyword in ("items", "additionalProperties", "propertyNames", "if", "then") else []
        for each in inner:
            if isinstance(each, dict):
                yield from schemas(each)


def test_the_schema_has_only_known_keywords() -> None:
    known = {
        "$ref", "$schema", "additionalProperties", "allOf", "definitions", "description", "enum", "examples",
        "exclusiveMinimum", "if", "items", "maximum", "minItems", "minLength", "minimum", "pattern", "properties",
        "propertyNames", "required", "then", "title", "type", "uniqueItems",
    }  # fmt: skip
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert {keyword for schema in schemas(SCHEMA) for keyword in schema} == known


def test_the_schema_allows_other_keys_only_in_passed_through_maps() -> None:
    objects = {".".join(key): part["additionalProperties"] for key, part in KEYS.items() if part["type"] == "object"}
    assert {key for key, rest in objects.items() if rest is True} == {"global", "gpu.affinity", "scheduling.affinity"}
    assert {key for key, rest in objects.items() if isinstance(rest, dict)} == {
        "extraEnv",
        "podLabels",
        "podAnnotations",
        "fabric.env",
        "fabric.resources",
        "gpu.nodeSelector",
        "prepare.columns",
        "scheduling.nodeSelector",
        "train.args",
        "train.env",
        "evaluate.args",
        "evaluate.env",
        "serve.args",
        "sync.env",
    }


def test_every_key_of_the_schema_has_a_description_and_valid_examples() -> None:
    for key, part in KEYS.items():
        assert part.get("description"), key
        if key in [*SECTIONS, ("global",)] or part["type"] == "boolean":
            continue
        assert part.get("examples"), key
        for example in part["examples"]:
            assert not list(VALIDATOR.iter_errors(merged(DEFAULTS, nested(key, example)))), key


def test_units_are_the_same_in_the_schema_and_the_comments() -> None:
    comment_of = dict(comments())
    for key in KEYS.keys() & comment_of.keys():
        units = [found and found[0] for found in map(UNIT.match, (KEYS[key]["description"], comment_of[key]))]
        assert units[0] == units[1], key


def test_every_key_of_the_defaults_has_a_comment() -> None:
    comment_of = dict(comments())
    assert comment_of.keys() >= {key for key in value_keys(DEFAULTS) if key[-2:-1] not in (("requests",), ("limits",))}
    assert [key for key, comment in comment_of.items() if not comment] == []


def test_the_table_in_the_readme_matches_the_comments(update_goldens: bool) -> None:
    readme = CHART / "README.md"
    before, start, rest = readme.read_text(encoding="utf-8").partition("<!-- values -->\n")
    _, end, after = rest.partition("<!-- /values -->")
    made = f"{before}{start}{values_table(CHART)}\n{end}{after}"
    if update_goldens:
        readme.write_text(made, encoding="utf-8")
    assert made == readme.read_text(encoding="utf-8"), "stale; run `make goldens`"
