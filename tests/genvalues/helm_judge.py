"""Asks a real Helm about many values files at once: `helm lint` loads any number of charts in one process."""

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_sft.genvalues.values.go_scalar import number_text

# The template hands all values out in a message, which survives both Helms' logging because it is base64.
PRINT_VALUES = '{{- fail (printf "<%s:%s>" .Chart.Name (.Values | toJson | b64enc)) }}\n'
_PRINTED = re.compile(rb"<(c\d+):([A-Za-z0-9+/=]*)>")
_HEADER = re.compile(r"^==> Linting .*?(c\d+)$", re.MULTILINE)


def write_chart(folder: Path, name: str, values: bytes, template: str = PRINT_VALUES, schema: str = "") -> None:
    """Write a chart with these default values."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n")
    (folder / "values.yaml").write_bytes(values)
    (folder / "templates" / "print.yaml").write_text(template)
    if schema:
        (folder / "values.schema.json").write_text(schema)


def read_by_helm(helm: Path, folder: Path, documents: Sequence[bytes]) -> list[str | None]:
    """Return per document what Helm reads as JSON text, None where it refuses it."""
    for index, document in enumerate(documents):
        write_chart(folder / f"c{index}", f"c{index}", document)
    run = subprocess.run(
        [helm, "lint", *(folder / f"c{index}" for index in range(len(documents)))], capture_output=True, check=False
    )
    printed = {
        name.decode(): base64.b64decode(text).decode() for name, text in _PRINTED.findall(run.stdout + run.stderr)
    }
    refused = {name for name, said in _sections(run.stdout.decode()).items() if "[ERROR]" in said}
    assert printed.keys().isdisjoint(refused)
    assert len(printed) + len(refused) == len(documents), run.stderr.decode()[:2000]
    return [printed.get(f"c{index}") for index in range(len(documents))]


def refused_by_schema(helm: Path, folder: Path, schema: str, documents: Sequence[bytes]) -> list[bool]:
    """Return per document whether Helm's own schema check refuses it."""
    for index, document in enumerate(documents):
        write_chart(folder / f"c{index}", f"c{index}", document, "", schema)
    charts = [folder / f"c{index}" for index in range(len(documents))]
    run = subprocess.run([helm, "lint", *charts], capture_output=True, text=True, check=False)
    said = _sections(run.stdout)
    assert len(said) == len(documents), run.stderr[:2000]
    return ["[ERROR] values.yaml" in said[f"c{index}"] for index in range(len(documents))]


def _sections(output: str) -> dict[str, str]:
    parts = _HEADER.split(output)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def number_texts(value: Any) -> Any:
    """Replace every number by its text as Helm's toJson prints it."""
    if isinstance(value, dict):
        return {key: number_texts(child) for key, child in value.items()}
    if isinstance(value, list):
        return [number_texts(child) for child in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", number_text(value))
    return value


def printed_numbers(text: str) -> Any:
    """Read JSON with each number kept as the text that stands there."""
    return json.loads(text, parse_int=lambda t: ("number", t), parse_float=lambda t: ("number", t))


def printed_doubles(text: str) -> Any:
    """Read JSON with each number as a double: Helm 3 keeps a chart default's digits, and rounds a file's."""

    def double(digits: str) -> tuple[str, str]:
        return ("number", number_text(float(digits)))

    return json.loads(text, parse_int=double, parse_float=double)


def without_nulls(value: Any) -> Any:
    """Drop the keys that hold null, as `helm lint` does with a chart's own defaults."""
    if isinstance(value, dict):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    return [without_nulls(child) for child in value] if isinstance(value, list) else value
