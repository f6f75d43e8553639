"""0, false, "", [] and {} at every key that accepts them: valid manifests, or a message."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from chart_keys import DEFAULTS, LEAVES, SCHEMA, Key, merged, nested

VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
EMPTY: list[Any] = [0, False, "", [], {}]
CASES = [(key, value) for key in LEAVES for value in EMPTY if VALIDATOR.is_valid(merged(DEFAULTS, nested(key, value)))]

Render = Callable[..., list[dict[str, Any]]]
FailLines = Callable[..., list[str]]


def test_seven_of_ten_keys_accept_an_empty_value() -> None:
    assert len({key for key, _ in CASES}) > 0.7 * len(LEAVES)


@pytest.mark.parametrize(
    ("key", "value"), CASES, ids=lambda part: ".".join(part) if isinstance(part, tuple) else str(part)
)
def test_an_empty_value_is_rendered_or_reported(
    render: Render, fail_lines: FailLines, everything: Path, key: Key, value: Any
) -> None:
    change = nested(key, value)
    if problems := fail_lines(everything, change):
        assert all(": " in problem and "<nil>" not in problem for problem in problems)
        return
    before = [json.dumps(manifest) for manifest in render(everything)]
    for manifest in render(everything, change):
        if json.dumps(manifest) not in before:
            kubernetes_validate.validate(manifest, "1.31", strict=True)
