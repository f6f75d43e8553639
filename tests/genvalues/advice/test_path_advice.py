"""Warnings about paths that no pod sees."""

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
VALUES = """\
model: {{id: {model}}}
prepare: {{dataset: jsonl, input: {source}, imageRoots: [{images}]}}
train: {{effectiveBatchSize: 16, dataset: [{train}]}}
"""
ON_CLAIMS = {"model": "a/b", "source": "a/b", "images": "/cache/images", "train": "/outputs/jsonl_bc/a.jsonl#50"}
WAY_OUT = (
    "is on neither claim, and pods see no other files unless the image has them; "
    "copy it to a claim and name it below /cache or /outputs"
)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({}, []),
        ({"model": "/cache/model", "source": "/cache"}, []),
        ({"source": "/home/me/data"}, [f"2: prepare.input: /home/me/data {WAY_OUT}"]),
        ({"source": "./data.jsonl"}, [f"2: prepare.input: ./data.jsonl {WAY_OUT}"]),
        ({"images": "/cached/images"}, [f"2: prepare.imageRoots: /cached/images {WAY_OUT}"]),
        (
            {"model": "/data/model", "train": "/data/a.jsonl"},
            [f"1: model.id: /data/model {WAY_OUT}", f"3: train.dataset: /data/a.jsonl {WAY_OUT}"],
        ),
    ],
)
def test_a_path_on_neither_claim_is_a_warning(named: dict[str, str], said: list[str], tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(VALUES.format(**ON_CLAIMS | named))
    problems = load_experiment(load_chart(CHART), tmp_path / "v.yaml", [], []).problems
    found = [problem for problem in problems if " claim" in problem.text]
    assert [f"{problem.line}: {problem.text}" for problem in found] == said
    assert all(problem.severity == "warning" for problem in found)
