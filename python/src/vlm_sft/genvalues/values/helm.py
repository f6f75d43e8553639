"""What Helm makes of values files: the merged values, and what the chart renders or refuses.

Helm itself is asked: nothing of how it reads YAML, merges files or applies `--set` is written again here.
"""

import json
import os
import re
import shutil
import subprocess
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from vlm_sft.errors import UserError

RELEASE = "release-name"  # the release of `helm template` where none is given
KUBE_VERSION = "1.31"  # the chart's floor: what is rendered here is the same on every machine
# A template of a chart with the same defaults: the merged values, and nothing else
_PRINT_VALUES = "{{ .Values | toJson }}\n"
_FAIL = re.compile(r"execution error at \([^)]*\): \n(.*?)(?:\n\n|\Z)", re.DOTALL)
_ERROR = re.compile(r"^Error: (.*)", re.MULTILINE | re.DOTALL)


class HelmError(Exception):
    """Helm refuses its input; the text is Helm's own, without `Error:`."""


@dataclass(frozen=True)
class Setting:
    """One option that sets a value: form `--set`, `--set-string`, `--set-json` or `--set-file`, and its text."""

    form: str
    text: str


@dataclass(frozen=True)
class Inputs:
    """The values files in their order, and the options over them."""

    files: tuple[Path, ...]
    settings: tuple[Setting, ...] = ()

    def arguments(self) -> Iterator[str]:
        """Yield the words of Helm's command line."""
        for file in self.files:
            name = str(file)
            quoted = '"' + name.replace('"', '""') + '"'  # Helm reads the file names of -f as one line of CSV
            yield from ("-f", quoted if "," in name or '"' in name else name)
        for setting in self.settings:
            yield from (setting.form, setting.text)


@dataclass(frozen=True)
class Rendering:
    """What `helm template` printed, or why it did not."""

    manifests: str = ""
    failures: tuple[str, ...] = ()  # lines of the chart's own `fail`, each `key: message`
    error: str = ""  # any other refusal


@dataclass(frozen=True)
class Helm:
    """One Helm binary and one chart."""

    binary: str
    chart: Path

    def merged(self, inputs: Inputs) -> dict[str, Any]:
        """Return the merged values.

        Raises:
            HelmError: a file or an option cannot be read.
        """
        done = self._template(self._printing_chart, RELEASE, inputs)
        if done.returncode:
            raise HelmError(_error(done.stderr))
        try:
            values: dict[str, Any] = json.loads(done.stdout.rpartition("\n# Source: ")[2].partition("\n")[2])
        except ValueError:
            raise UserError(f"--helm: {self.binary}: prints no values; give the path of Helm 3 or 4") from None
        return values

    def rendered(self, inputs: Inputs, release: str = RELEASE, *, schema: bool = True) -> Rendering:
        """Render the chart; `schema` False leaves its schema out, so that the chart's own `fail`s are reached."""
        done = self._template(self.chart, release, inputs, *(() if schema else ("--skip-schema-validation",)))
        if done.returncode == 0:
            return Rendering(done.stdout)
        failed = _FAIL.search(done.stderr)
        return Rendering(failures=tuple(failed[1].splitlines())) if failed else Rendering(error=_error(done.stderr))

    @cached_property
    def _printing_chart(self) -> Path:
        folder = Path(mkdtemp(prefix="genvalues-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        (folder / "templates").mkdir()
        (folder / "Chart.yaml").write_text("apiVersion: v2\nname: values\nversion: 0.1.0\n", encoding="utf-8")
        (folder / "values.yaml").write_bytes((self.chart / "values.yaml").read_bytes())
        (folder / "templates" / "values.yaml").write_text(_PRINT_VALUES, encoding="utf-8")
        return folder

    def _template(self, chart: Path, release: str, inputs: Inputs, *more: str) -> "subprocess.CompletedProcess[str]":
        words = [self.binary, "template", "--kube-version", KUBE_VERSION, *inputs.arguments(), *more]
        try:
            return subprocess.run(
                [*words, "--", release, str(chart)], capture_output=True, encoding="utf-8", check=False
            )
        except OSError as error:
            raise UserError(f"--helm: {self.binary}: cannot be run: {error.strerror}") from None


def find_helm(given: str | None, places: Sequence[Path] = ()) -> str:
    """Return `given`, else the `helm` on PATH, else the one that `make setup` unpacked below one of `places`.

    Raises:
        UserError: there is none.
    """
    if given:
        found = shutil.which(given)
        if found is None:
            raise UserError(f"--helm: {given}: no such program; give the path of Helm 3 or 4")
        return found
    unpacked = (place / ".tools" / "helm4" / "helm" for place in places)
    on_path = shutil.which("helm")
    helm = on_path or next((str(path) for path in unpacked if os.access(path, os.X_OK)), None)
    if helm is None:
        raise UserError("helm: not on PATH; install Helm 3 or 4, run `make setup`, or give --helm PATH (or HELM=PATH)")
    return helm


def _error(stderr: str) -> str:
    found = _ERROR.search(stderr)
    return (found[1] if found else stderr).partition("\n\nUse --debug flag")[0].strip()
