"""Both layouts have the same summed loss and gradient, in ms-swift's own template, on a tiny Qwen3-VL."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from vlm_sft.cli import main
from vlm_sft.sample.model import write_model

TOLERANCE = 1e-5  # relative, float32
CASES = {"all": [], "revisions": ["--loss", "revisions"], "cut": ["--max-history-rounds", "1"]}


def row(number: int, answers: int) -> dict[str, Any]:
    dialogue = []
    for turn in range(answers):
        said = f"Thought: hm\nAnswer: {number * 7 + turn} bicycles lean on wall {turn}.\n\n"
        dialogue.append({"role": "student", "type": "response", "value": said})
        dialogue.append(
            {"role": "teacher", "type": "feedback", "value": f"Score: {turn + 2}.\nFeedback: Count {turn}.\n"}
        )
    image = f"coco/{number}.jpg"
    return {"id": number, "image": image, "question": {"value": "<image>\nHow many?"}, "conversations": dialogue}


def arguments(folder: Path, out: Path, *options: str) -> list[str]:
    source, images = str(folder / "FIRE-train-100K.json"), str(folder / "images")
    named = ["--input", source, "--image-root", images, "--output-dir", str(out), "--feedback", "score-and-text"]
    return ["prepare", "fire", *named, *options]


def prepare(folder: Path, out: Path, *options: str) -> bytes:
    result = CliRunner().invoke(main, arguments(folder, out, *options))
    assert result.exit_code == 0, result.output
    return (out / "fire_bc_train.jsonl").read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = [row(0, 4), row(1, 2)]
    (folder / "FIRE-train-100K.json").write_text(json.dumps(rows))
    (folder / "images" / "coco").mkdir(parents=True)
    for number in range(len(rows)):
        noise = Image.effect_noise((160 + 64 * number, 128), 60).convert("RGB")
        noise.save(folder / "images" / "coco" / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def counted(data: Path) -> Path:
    """Folder of a preparation that counts tokens; `compared` creates it."""
    return data / "counted"


@pytest.fixture(scope="module")
def compared(data: Path, counted: Path) -> dict[str, Any]:
    model, samples = data / "model", data / "samples"
    write_model(model)
    samples.mkdir()
    for name, options in CASES.items():
        for layout in ("trajectory", "steps"):
            written = prepare(data, data / f"{name}_{layout}", "--layout", layout, *options)
            (samples / f"{name}_{layout}.jsonl").write_bytes(written)
    command = [str(Path(__file__).with_name("layouts_probe.py")), str(model), str(samples)]
    count = arguments(data, counted, "--count-tokens", str(model))
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    probe = subprocess.run([sys.executable, *command, *count], env=environment, capture_output=True, text=True)
    assert probe.returncode == 0, probe.stderr[-2000:]
    (line,) = [line for line in probe.stdout.splitlines() if line.startswith("RESULT ")]
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return result


@pytest.mark.parametrize("case", ["all", "revisions"])
def test_both_layouts_have_the_same_summed_loss_and_gradient(case: str, compared: dict[str, Any]) -> None:
    result = compared[case]
    assert result["trajectory"]["supervised_tokens"] == result["steps"]["supervised_tokens"] > 0
    assert result["loss_difference"] < TOLERANCE
    assert result["gradient_difference"] < TOLERANCE


def test_the_layouts_differ_where_history_is_cut(compared: dict[str, Any]) -> None:
    result = compared["cut"]
    assert result["trajectory"]["supervised_tokens"] < result["steps"]["supervised_tokens"]
    assert result["gradient_difference"] > 0.1


def test_with_loss_on_the_last_answer_the_files_are_the_same(data: Path) -> None:
    whole = prepare(data, data / "last_trajectory", "--loss", "last")
    assert whole == prepare(data, data / "last_steps", "--loss", "last", "--layout", "steps")


def test_trajectories_cost_fewer_tokens_and_the_stats_have_the_number(compared: dict[str, Any], counted: Path) -> None:
    trajectory, steps = (compared["all"][layout]["input_tokens"] for layout in ("trajectory", "steps"))
    assert trajectory < 0.6 * steps
    stats = json.loads((counted / "stats.json").read_text())
    assert stats["splits"]["train"]["tokens"] == {"trajectories": 2, "trajectory": trajectory, "steps": steps}
