"""The chart that values files are written for: its defaults, its schema, and the Helm that renders it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, TypeAlias

import yaml

from vlm_sft.errors import UserError
from vlm_sft.genvalues.values.helm import Helm, Inputs, find_helm
from vlm_sft.genvalues.values.places import Path, ValuesFile, read_places

Schema: TypeAlias = dict[str, Any] | bool
_RELATIVE = FilePath("charts") / "vlm-sft"


@dataclass(frozen=True)
class Chart:
    """A Helm chart's values.yaml and values.schema.json."""

    directory: FilePath
    places: ValuesFile  # in values.yaml
    schema: Schema
    helm: Helm

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The merged values where the user gives none."""
        return self.helm.merged(Inputs(()))

    def in_order(self, values: dict[str, Any], path: Path = ()) -> dict[str, Any]:
        """Return merged values with their keys in the order of values.yaml; Helm sorts them by name."""
        found = self.places.find(path)
        written = [key.value for key, _ in found[1].value] if found and isinstance(found[1], yaml.MappingNode) else []
        keys = [*(key for key in written if key in values), *(key for key in values if key not in written)]
        return {
            key: self.in_order(values[key], (*path, key)) if isinstance(values[key], dict) else values[key]
            for key in keys
        }


def find_chart(given: FilePath | None = None) -> FilePath:
    """Return `given`, else charts/vlm-sft in the working directory, above it, or beside this package's source."""
    if given is not None:
        return given
    for directory in _roots():
        if (directory / _RELATIVE / "Chart.yaml").is_file():
            return directory / _RELATIVE
    raise UserError(f"--chart: no {_RELATIVE} in {FilePath.cwd()} or above; give the chart's directory")


def load_chart(directory: FilePath, helm: str | None = None) -> Chart:
    """Read defaults and schema; `helm` names the Helm to use, see `find_helm`.

    Raises:
        UserError: a file of the chart is missing or broken, or there is no Helm.
    """
    places, problems = read_places(directory / "values.yaml")
    if problems:
        raise UserError(f"{problems[0].place}: {problems[0].text}")
    path = directory / "values.schema.json"
    try:
        schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: is no JSON: {error}") from None
    return Chart(directory, places, schema, Helm(find_helm(helm, _roots()), directory))


def _roots() -> list[FilePath]:
    here = FilePath.cwd()
    return [here, *here.parents, *FilePath(__file__).resolve().parents]
