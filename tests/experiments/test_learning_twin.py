"""A toy task is learned by the commands that Helm renders: the chain from loss mask to scorer is right."""

import json
from pathlib import Path
from typing import Any

import tiny_data
import twin
from run_twins import VALUES, chart, run_twin
from vlm_sft.evaluate.compare import compare, folder_of
from vlm_sft.evaluate.tasks.choice import TASK

CHANCE = 0.25  # one of four colours
ARGS = {"max_steps": 80, "learning_rate": 5.0e-3, "warmup_steps": 5, "save_steps": 80, "eval_steps": 80}


def run(folder: Path, name: str, more: dict[str, Any]) -> Path:
    """Run a twin on the toy questions; return the folder of its evaluation."""
    tiny_data.robo2vlm(folder / twin.CACHE.lstrip("/") / "data" / "robo2vlm", train=128, test=40)
    ran = run_twin(chart(), VALUES / f"{name}.yaml", folder, more)
    assert ran.failed == ""
    (found,) = (folder / "outputs" / name).rglob("evaluation")
    return folder_of(found)


def accuracy(folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((folder / "metrics.json").read_bytes())["figures"]
    return dict(figures["accuracy"])


def test_the_accuracy_rises_from_chance_to_over_nine_tenths(tmp_path: Path) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    for folder in folders:
        folder.mkdir()
    before = run(folders[0], "robo2vlm-eval", {"train": {"args": {"max_length": twin.MAX_LENGTH}}})
    after = run(folders[1], "robo2vlm-8gpu", {"train": {"args": ARGS}, "evaluate": {"everySteps": 40}})
    assert accuracy(before)["value"] <= CHANCE
    trained = accuracy(after)
    assert trained["value"] > 0.9
    assert trained["low"] > CHANCE
    assert trained["n"] == 40
    compared = compare(before, after, TASK.values, anyway=False)
    assert compared[0].verdict == "better"
    curve = [json.loads(line) for line in (after.parents[2] / "curve.jsonl").read_text().splitlines()]
    assert [point["step"] for point in curve] == [40, 80]
    assert curve[-1]["accuracy"]["value"] == 1
