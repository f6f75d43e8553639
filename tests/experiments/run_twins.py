"""`make experiments`: runs the CPU twin of every values file, and records how each was run in tests/data.

python tests/experiments/run_twins.py [NAME ...]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "smoke"), str(ROOT / "tests" / "experiments")]

from local_jobs import LocalJobs, Step  # noqa: E402
from twin import GPU_ONLY, derive, differences, write_inputs  # noqa: E402
from vlm_sft.evaluate.estimate import Estimate  # noqa: E402
from vlm_sft.genvalues.values.chart import Chart, load_chart  # noqa: E402
from vlm_sft.genvalues.values.helm import Inputs  # noqa: E402

VALUES = ROOT / "values"
RECORD = ROOT / "tests" / "data" / "experiments.yaml"
STAGES = ("prepare", "convert", "train", "evaluate", "export")
OWN_RUN = {  # these are no trainings, or have a command of their own that runs them
    "smoke": "`make smoke` runs it as it is",
    "ddp-check": "two CPU processes in `make test`",
    "jupyter-2gpu": "rendered only",
}


@dataclass(frozen=True)
class Ran:
    """What became of one values file."""

    name: str
    stages: tuple[str, ...]  # that ran
    note: str  # what was only parsed, or why nothing ran
    figure: str = ""  # headline of the evaluation
    failed: str = ""


def chart() -> Chart:
    """Return the chart of this checkout."""
    return load_chart(ROOT / "charts" / "vlm-sft")


def manifests(chart: Chart, files: Sequence[Path], release: str = "x") -> list[dict[str, Any]]:
    """Return what Helm renders."""
    rendering = chart.helm.rendered(Inputs(tuple(files)), release)
    if rendering.failures or rendering.error:
        raise ValueError("; ".join(rendering.failures) or rendering.error)
    return [document for document in yaml.safe_load_all(rendering.manifests) if document]


def run_twin(chart: Chart, path: Path, folder: Path, more: Mapping[str, Any] | None = None) -> Ran:
    """Run the twin of a values file in `folder`; `more` is merged over its overlay by Helm."""
    name = path.stem
    if name in OWN_RUN:
        return Ran(name, (), OWN_RUN[name])
    values = chart.helm.merged(Inputs((path,)))
    twin = derive(values)
    if twin.parsed_only:
        return Ran(name, (), twin.parsed_only)
    files = [path, _written(folder / "twin.yaml", twin.overlay), _written(folder / "more.yaml", dict(more or {}))]
    lines = differences(values, chart.helm.merged(Inputs(tuple(files))))
    print(f"\n== {name}: its twin differs in\n  " + "\n  ".join(lines), file=sys.stderr, flush=True)
    write_inputs(folder, values, twin.overlay)
    jobs = LocalJobs(manifests(chart, files, name.replace(".", "-")), folder)
    steps = jobs.run()
    failed = [step for step in steps if step.exit_code]
    why = f"{failed[0].container}: exit code {failed[0].exit_code}" if failed else ""
    return Ran(name, tuple(_stages(steps)), _parsed(values), headline(folder), why)


def _written(path: Path, values: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(values))
    return path


def _stages(steps: Sequence[Step]) -> Iterator[str]:
    for stage in STAGES:
        if any(f"-{stage}-" in step.job for step in steps):
            yield stage


def _parsed(values: Mapping[str, Any]) -> str:
    """Return what of the values file the twin leaves out, because a CPU cannot run it."""
    train, left = values["train"], []
    if train["sharding"] != "ddp":
        left.append(train["sharding"])
    left += [name if value is True else f"{name} {value}" for name in GPU_ONLY if (value := train["args"].get(name))]
    left += [f"{train['nodes']} nodes"] if train["nodes"] > 1 else []
    return f"parsed only: {', '.join(left)}" if left else ""


def headline(folder: Path) -> str:
    """Return the first figure of the evaluation below `folder`."""
    for path in folder.glob("outputs/**/evaluation/*/*/metrics.json"):
        metrics = json.loads(path.read_bytes())
        figure = metrics["figures"][metrics["headline"]]
        return f"{metrics['headline']} {Estimate(**figure)}, n = {figure['n']}"
    return ""


def main() -> int:
    """Run the twins; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", help="values files, without .yaml; default: all")
    options.add_argument("--keep", type=Path, help="folder that keeps the files of every twin")
    given = options.parse_args()
    paths = sorted(path for path in VALUES.glob("*.yaml") if not given.names or path.stem in given.names)
    results, used = [], chart()
    for path in paths:
        folder = Path(given.keep or tempfile.mkdtemp(prefix="twin-")) / path.stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began_s = time.monotonic()
        try:
            results.append(run_twin(used, path, folder))
        except (ValueError, OSError, subprocess.SubprocessError) as error:
            results.append(Ran(path.stem, (), "", failed=str(error)))
        print(f"== {path.stem}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(results))
    failed = [result for result in results if result.failed]
    if not given.names and not failed:
        record = {result.name: {"ran": list(result.stages), "note": result.note} for result in results}
        RECORD.write_text("# Written by `make experiments`.\n" + yaml.safe_dump(record, width=120), encoding="utf-8")
    return 1 if failed else 0


def table(results: Sequence[Ran]) -> str:
    """Return one line per values file."""
    width = max(len(result.name) for result in results)
    return "\n".join(
        f"{'FAIL' if r.failed else 'ok  '}  {r.name:<{width}}  {' '.join(r.stages) or '-'}  "
        f"{r.failed or '; '.join(part for part in (r.note, r.figure) if part)}"
        for r in results
    )


if __name__ == "__main__":
    sys.exit(main())
