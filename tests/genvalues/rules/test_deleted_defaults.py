"""A null over one of the chart's defaults: reported where the templates need it, refused by Helm, never a traceback."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm_sft.genvalues.commands.show import leaves
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm import Setting
from vlm_sft.genvalues.values.places import Path as KeyPath
from vlm_sft.genvalues.values.places import dotted

ROOT = Path(__file__).parents[3]
FIRE = ROOT / "values" / "fire-4gpu.yaml"


def keys(schema: dict[str, Any], path: KeyPath = ()) -> Iterator[KeyPath]:
    for name, part in schema.get("properties", {}).items():
        yield (*path, name)
        yield from keys(part, (*path, name))


def value_at(values: Any, path: KeyPath) -> Any:
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values


def test_every_key_of_the_chart_that_is_set_to_null_is_reported() -> None:
    chart = load_chart(ROOT / "charts" / "vlm-sft")
    every = list(keys(json.loads((chart.directory / "values.schema.json").read_text())))
    assert len(every) > 80
    for path in every:
        setting = Setting("--set", f"{dotted(path)}=null")
        problems = load_experiment(chart, FIRE, [], [setting]).problems
        default = value_at(chart.defaults, path)
        expected = [] if default is None or path == ("global",) else [dotted(path)]
        reported = [problem.key for problem in problems if "null deletes" in problem.message]
        assert reported == expected, setting


def test_helm_refuses_what_genvalues_reports(helm: Path, tmp_path: Path) -> None:
    chart = load_chart(ROOT / "charts" / "vlm-sft")
    defaults = [path for path, _ in leaves(chart.defaults) if path[0] != "global"]
    settings = [Setting("--set", f"{dotted(path)}=null") for path in defaults]
    reported = {p.key for p in load_experiment(chart, FIRE, [], settings).problems if "null deletes" in p.message}
    assert len(reported) > 100
    assert "storage.outputs.keep" in reported
    options = [word for setting in settings for word in (setting.form, setting.text)]
    done = subprocess.run(
        [helm, "template", "x", chart.directory, "-f", FIRE, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    helms = re.findall(r"^- (\S+): (\S+) is required$", done.stderr, re.MULTILINE)  # Helm 3
    helms += re.findall(r"at '(\S*)': missing propert(?:y|ies) (.*)$", done.stderr, re.MULTILINE)  # Helm 4
    assert {
        dotted((*parent.replace("(root)", "").replace("/", ".").strip(".").split("."), name)).lstrip(".")
        for parent, names in helms
        for name in re.findall(r"[\w-]+", names)
    } == reported


def test_a_null_is_reported_at_its_line_together_with_the_rest(tmp_path: Path) -> None:
    lines = FIRE.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  env:"))
    lines[at] = "  env: null"
    file = tmp_path / "v.yaml"
    file.write_text("\n".join(lines).replace("effectiveBatchSize: 64", "effectiveBatchSize: 63"))
    reported = load_experiment(load_chart(ROOT / "charts" / "vlm-sft"), file, [], []).problems
    assert [(p.line, p.text) for p in reported] == [
        (29, "train.effectiveBatchSize: 63 is not a multiple of 4 (1 per GPU x 4 GPUs); use 60 or 64"),
        (
            at + 1,
            "train.env: null deletes the chart's default, which its templates need; remove the line, or give a value",
        ),
    ]


def test_what_the_templates_can_do_without_may_go() -> None:
    for key in ("train.resources.limits", "train.resources.requests.cpu", "train.args.report_to"):
        setting = Setting("--set", f"{key}=null")
        assert load_experiment(load_chart(ROOT / "charts" / "vlm-sft"), FIRE, [], [setting]).problems == []
