"""The table of experiments in values/README.md, from the values files and from how `make experiments` ran them.

python tests/experiments/readme_table.py
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "experiments"))

from vlm_sft.errors import UserError  # noqa: E402
from vlm_sft.genvalues.sizing.memory import estimate  # noqa: E402
from vlm_sft.genvalues.sizing.sized_run import batch_of, run_shape  # noqa: E402
from vlm_sft.genvalues.sizing.train_config import train_config  # noqa: E402
from vlm_sft.genvalues.values.chart import Chart, load_chart  # noqa: E402
from vlm_sft.genvalues.values.helm import Inputs, Setting  # noqa: E402

README, RECORD = ROOT / "values" / "README.md", ROOT / "tests" / "data" / "experiments.yaml"
BEGIN, END = "<!-- experiments: written by `make experiments` -->", "<!-- end of experiments -->"
HEAD = ("values file", "question", "model", "data", "GPUs", "effective batch size", "GiB a GPU", "run on CPUs")
QUESTION = re.compile(r"^# Question: (.*?)(?:   # Result: .*)?$", re.MULTILINE)
KNOWN = {"/cache/models/Llama-3.2-3B-Instruct": "meta-llama/Llama-3.2-3B-Instruct"}  # a path of a known model


def row(chart: Chart, path: Path, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of one values file."""
    found = QUESTION.search(path.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{path}: no line `# Question: ...`; say in the header what the experiment asks")
    values = chart.helm.merged(Inputs((path,)))
    train, evaluate = values["train"], values["evaluate"]
    batch = ""
    if train["enabled"]:
        config = train_config(chart.helm.rendered(Inputs((path,))).manifests)
        assert config is not None
        sizes = batch_of(config)
        batch = f"{sizes.effective} = {sizes.per_gpu} x {sizes.accumulation} x {sizes.ranks}"
    model = evaluate["model"] if not train["enabled"] and evaluate["enabled"] else values["model"]["id"]
    state = record.get(path.stem, {})
    run = ", ".join(state.get("ran", [])) or "no"
    note = state.get("note", "")
    link = f"[{path.stem}]({path.name})"
    shown = Path(model).name if train["enabled"] or evaluate["enabled"] else ""
    sizes_of = (_gpus(values), batch, _memory(chart, path, values))
    return (link, found[1], shown, _data(values), *sizes_of, f"{run}; {note}" if note else run)


def _gpus(values: Mapping[str, Any]) -> str:
    train = values["train"]
    if train["accelerator"] == "cpu":
        return "none"
    if train["enabled"] or values["ddpCheck"]["enabled"]:
        nodes = f"{train['nodes']} x " if train["nodes"] > 1 else ""
        return f"{nodes}{train['gpusPerNode']}"
    return str(values["evaluate"]["gpus"] if values["evaluate"]["enabled"] else values["jupyter"]["gpus"])


def _data(values: Mapping[str, Any]) -> str:
    prepare = values["prepare"]
    if prepare["enabled"] and prepare["dataset"]:
        return f"{prepare['dataset']}{', steps' if prepare['layout'] == 'steps' else ''}"
    return ", ".join(values["train"]["dataset"])


def _memory(chart: Chart, path: Path, values: Mapping[str, Any]) -> str:
    """Return the predicted peak; nothing without training on GPUs."""
    if not values["train"]["enabled"] or values["train"]["accelerator"] == "cpu":
        return ""
    known = KNOWN.get(values["model"]["id"])
    settings = (Setting("--set", f"model.id={known},offline=false"),) if known else ()
    config = train_config(chart.helm.rendered(Inputs((path,), settings)).manifests)
    assert config is not None
    try:
        return f"{estimate(run_shape(config)).expected_gib:.0f}"
    except UserError as error:
        raise ValueError(f"{path}: {error.message}") from None


def table() -> str:
    """Return the table in Markdown."""
    chart = load_chart(ROOT / "charts" / "vlm-sft")
    record = yaml.safe_load(RECORD.read_text(encoding="utf-8"))
    rows = [row(chart, path, record) for path in sorted((ROOT / "values").glob("*.yaml"))]
    lines = [HEAD, tuple("---" for _ in HEAD), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Replace the table."""
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    README.write_text(f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
