"""The sample: rows with FIRE's irregularities, its photographs, and a model that transformers loads as a Qwen3-VL."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

VLM_SFT = Path(sys.executable).parent / "vlm-sft"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([VLM_SFT, "sample", folder], check=True)
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_files_are_the_same_every_time_and_over_an_old_sample(sample: Path) -> None:
    before = digests(sample)
    subprocess.run([VLM_SFT, "sample", sample], check=True)
    assert digests(sample) == before


def test_there_are_at_least_forty_trajectories_about_eight_photographs(sample: Path) -> None:
    rows = json.loads((sample / "fire" / "FIRE-train-100K.json").read_bytes())
    assert len(rows) >= 40
    assert len({row["image"] for row in rows}) >= 8
    assert len({row["id"] for row in rows}) == len(rows)


def test_the_rows_have_the_irregularities_of_fire(sample: Path) -> None:
    rows = json.loads((sample / "fire" / "FIRE-train-100K.json").read_bytes())
    questions = [row["question"]["value"] for row in rows]
    last = [row["conversations"][-1] for row in rows]
    answers = [len([turn for turn in row["conversations"] if turn["role"] == "student"]) for row in rows]
    texts = [turn["value"] for row in rows for turn in row["conversations"]]
    assert any(question.startswith("<image>\n") for question in questions)
    assert any(question.endswith("\n<image>") for question in questions)
    assert any("<image>" not in question for question in questions)
    assert any(turn["role"] == "student" for turn in last), "a row without its last feedback"
    assert {min(answers), max(answers)} == {2, 6}
    assert any(text.startswith("Answer:") for text in texts), "an answer without a thought"
    assert any("\nLine 2:" in text for text in texts), "an answer of several lines"
    assert any(text.startswith("Score: 9/10.") for text in texts)
    assert any("Choices:\nA. " in question for question in questions)
    assert any("region: [0." in question for question in questions)


def test_the_preparation_uses_all_rows_but_one_without_an_image(sample: Path) -> None:
    command = [VLM_SFT, "prepare", "fire", "--input", sample / "fire", "--output-dir", sample / "fire_bc"]
    subprocess.run([*command, "--image-root", sample / "images"], check=True)
    stats = json.loads((sample / "fire_bc" / "stats.json").read_bytes())
    assert stats["dropped"] == {"image_missing": 1}
    assert (stats["rows_in"], stats["written"]) == (49, 48)


def test_every_photograph_has_a_licence() -> None:
    folder = Path(__file__).parents[2] / "python/src/vlm_sft/sample/data/photos"
    table = (folder / "LICENSES.md").read_text()
    assert all(f"| {path.name} |" in table for path in folder.glob("*.jpg"))
    assert table.count("\n| ") == len(list(folder.glob("*.jpg"))) + 1


@pytest.fixture(scope="module")
def loaded(sample: Path) -> tuple[Any, dict[str, Any]]:
    from transformers import Qwen3VLForConditionalGeneration

    return Qwen3VLForConditionalGeneration.from_pretrained(sample / "model", output_loading_info=True)


def test_the_model_has_exactly_the_expected_tensors(loaded: tuple[Any, dict[str, Any]]) -> None:
    model, info = loaded
    assert type(model).__name__ == "Qwen3VLForConditionalGeneration"
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]


def test_special_tokens_have_qwens_ids_and_the_tokenizer_restores_any_text(sample: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(sample / "model")
    ids = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|vision_start|>": 151652}
    ids |= {"<|vision_end|>": 151653, "<|image_pad|>": 151655, "<|video_pad|>": 151656}
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in ids} == ids
    text = "größer, 目, \U0001f600 and\ttabs\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_one_photograph_and_a_question_give_finite_logits(sample: Path, loaded: tuple[Any, dict[str, Any]]) -> None:
    import torch
    from PIL import Image
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(sample / "model")
    content = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    assert prompt.count("<|image_pad|>") == 1
    photo = Image.open(sample / "images/gqa/images/n336443.jpg")
    inputs = processor(text=[prompt], images=[photo], return_tensors="pt")
    with torch.no_grad():
        logits = loaded[0](**inputs).logits
    assert logits.shape[:2] == inputs["input_ids"].shape
    assert torch.isfinite(logits).all()
