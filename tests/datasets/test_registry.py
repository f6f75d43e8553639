"""The chart and the registry have the same datasets."""

import json
from pathlib import Path

from vlm_sft.datasets.registry import DATASETS

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"


def test_the_chart_accepts_exactly_the_registered_datasets() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    prepare = schema["properties"]["prepare"]["properties"]
    assert prepare["dataset"]["enum"] == ["", *DATASETS]


def test_the_output_names_are_those_in_the_chart() -> None:
    template = (CHART / "templates" / "_swift.tpl").read_text()
    assert template.count('printf "%s/%s_bc_%s.jsonl" $made.outputDir $prepare.dataset .') == 2
    assert all(entry.output_name("train") == f"{name}_bc_train.jsonl" for name, entry in DATASETS.items())
