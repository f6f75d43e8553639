"""The chart that values files are written for: its defaults and its schema."""

import json
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.genvalues.rules.json_schema import Schema
from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.helm_yaml import read_values_file
from vlm_sft.genvalues.values.node import Node

_RELATIVE = Path("charts") / "vlm-sft"


@dataclass(frozen=True)
class Chart:
    """A Helm chart's values.yaml and values.schema.json."""

    directory: Path
    defaults: Node
    schema: Schema

    @property
    def has_rules(self) -> bool:
        """Whether the chart has the `fail`s that chart_rules.py mirrors."""
        return (self.directory / "templates" / "_fail.tpl").is_file()


def find_chart(given: Path | None = None) -> Path:
    """Return `given`, else charts/vlm-sft in the working directory, above it, or beside this package's source."""
    if given is not None:
        return given
    here = Path.cwd()
    for directory in (here, *here.parents, *Path(__file__).resolve().parents):
        if (directory / _RELATIVE / "Chart.yaml").is_file():
            return directory / _RELATIVE
    raise UserError(f"--chart: no {_RELATIVE} in {here} or above; give the chart's directory")


def load_chart(directory: Path) -> Chart:
    """Read defaults and schema; raises UserError when either is missing or broken."""
    defaults = read_values_file(directory / "values.yaml")
    if isinstance(defaults, Problem):
        raise UserError(f"{defaults.place}: {defaults.text}")
    path = directory / "values.schema.json"
    try:
        schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: is no JSON: {error}") from None
    return Chart(directory, defaults.root, schema)
