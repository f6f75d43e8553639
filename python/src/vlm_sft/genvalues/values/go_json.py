"""JSON as Go's encoding/json writes it, byte for byte: the chart's `toJson`, of which its hashes are made."""

import json
from typing import Any

from vlm_sft.genvalues.values.go_scalar import number_text

# Go escapes what a browser could misread, and writes the two line separators as escapes.
_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def go_json(value: Any) -> str:  # noqa: ANN401 -- a YAML value may be anything
    r"""Return the value as compact JSON with sorted keys.

    >>> go_json({"b": 1e6, "a": ["<", True, None]})
    '{"a":["\\u003c",true,null],"b":1000000}'
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{go_json(key)}:{go_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(go_json, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
