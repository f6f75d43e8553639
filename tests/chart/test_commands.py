"""`vlm-sft` parses every command of every rendered pod."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import parsed

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "chart"
CASES = [*sorted((ROOT / "values").glob("*.yaml")), DATA / "everything.yaml", DATA / "shards.yaml"]

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


def commands(manifests: list[Manifest]) -> Iterator[list[str]]:
    for manifest in manifests:
        templated = manifest["kind"] in ("Job", "Deployment")
        pod = manifest["spec"]["template"]["spec"] if templated else manifest.get("spec", {})
        for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
            if container["command"][0] != "tensorboard":
                yield [word.replace("$(JOB_COMPLETION_INDEX)", "0") for word in container["command"]]


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)
def test_vlm_sft_parses_every_command(render: Render, values: Path) -> None:
    lines = list(commands(render(values)))
    assert lines
    for words in lines:
        assert words[0] == "vlm-sft"
        assert parsed(words)


def test_every_preparation_setting_reaches_the_command(render: Render, everything: Path) -> None:
    prepare = {
        "input": "org/rows@v2",
        "outputDir": "/outputs/mine",
        "splits": ["train", "1m"],
        "maxSamples": 1000000,
        "maxHistoryRounds": 3,
        "layout": "steps",
        "loss": "revisions",
        "feedback": "score-and-text",
        "systemPrompt": "-- Revise.",
        "imageRoots": ["/cache/a", "/cache/b"],
        "skipImages": True,
        "sources": ["coco"],
        "maxDropShare": 0,
    }
    values = {"prepare": prepare, "evaluate": {"dataset": ["a/b"]}}
    found = parsed(next(words for words in commands(render(everything, values)) if words[1] == "prepare"))
    expected = {
        "source": "org/rows@v2",
        "output_dir": Path("/outputs/mine"),
        "splits": ("train", "1m"),
        "max_samples": 1000000,
        "max_history_rounds": 3,
        "layout": "steps",
        "loss": "revisions",
        "feedback": "score-and-text",
        "system_prompt": "-- Revise.",
        "image_roots": (Path("/cache/a"), Path("/cache/b")),
        "skip_images": True,
        "sources": ("coco",),
        "max_drop_share": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_the_trainer_gets_the_gpus_and_times_of_the_pod(render: Render, everything: Path) -> None:
    values = {"train": {"minFreeGib": 0, "terminationGracePeriodSeconds": 1000000}}
    found = parsed(next(words for words in commands(render(everything, values)) if words[1] == "train"))
    assert (found["gpus"], found["min_free_gib"], found["grace_s"], found["gated"]) == (4, 0, 999970, True)
    assert found["data_marker"] == Path("/outputs/fire_bc/stats.json")
