"""`verify`: ms-swift's own loader and template, with the sample's tiny Qwen3-VL."""

import json
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from swift_loads import rows_loaded
from vlm_sft.errors import UserError
from vlm_sft.prepare import swift_load
from vlm_sft.prepare.swift_template import load_template
from vlm_sft.prepare.verify import verify
from vlm_sft.sample.model import write_model

Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def without_gpus() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a model and two pictures."""
    folder = tmp_path_factory.mktemp("verify")
    write_model(folder / "model")
    for name, size in {"a.png": (64, 64), "b.png": (128, 64)}.items():
        Image.effect_noise(size, 60).convert("RGB").save(folder / name)
    return folder


@pytest.fixture(scope="module")
def template(folder: Path) -> Any:
    return load_template(str(folder / "model"), "--verify")


def row(*contents: str, images: tuple[Path, ...] = (), **keys: object) -> Row:
    roles = ["user", "assistant"]
    messages: list[Row] = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    return {"id": "1", "messages": messages, "images": [str(image) for image in images]} | keys


def write(path: Path, rows: list[Row]) -> dict[Path, int]:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return {path: len(rows)}


def error_of(files: dict[Path, int], folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught, warnings.catch_warnings(action="ignore"):
        verify(files, str(folder / "model"), workers=2, **options)
    return caught.value.message


def encode(template: Any, sample: Row) -> tuple[str, str]:
    """Return the whole text that the model reads, each picture as one token, and the text that it is trained on."""
    encoded = template.encode(sample)
    whole = re.sub(r"(<\|image_pad\|>)+", "<|image_pad|>", template.tokenizer.decode(encoded["input_ids"]))
    return whole, template.tokenizer.decode([label for label in encoded["labels"] if label != -100])


def test_every_row_of_text_and_picture_is_loaded_and_counted(folder: Path) -> None:
    rows = [row("<image>\nWhat?", "Noise.", images=(folder / "a.png",))] + [row("What?", "Text.")] * 200
    path = folder / "good.jsonl"
    verified = verify(write(path, rows), str(folder / "model"), workers=2)[path]
    assert (verified.rows, verified.over_max_length, verified.max_length) == (201, 0, 32768)
    text = len("Text.") + 2  # one token per byte in the tiny model, and the end of the turn
    assert verified.trained_tokens == 201 * text + len("Noise.") - len("Text.")
    assert verified.median == verified.p95 < verified.maximum
    assert not list(folder.glob(".verify-*"))


def test_longer_rows_are_reported_with_the_length_that_keeps_most(folder: Path) -> None:
    log: list[str] = []
    files = write(folder / "long.jsonl", [row("a", "b")] * 97 + [row("a", "b" * 500)] * 3)
    (verified,) = verify(files, str(folder / "model"), max_length=100, workers=2, log=log.append).values()
    assert verified.over_max_length == 3
    assert log[-1] == (
        "long.jsonl: 3 of 100 rows (3.0%) are longer than max_length 100, and ms-swift leaves them out; "
        f"max_length {verified.p95} keeps 95%"
    )
    assert error_of(files, folder, max_length=5) == (
        f"{folder / 'long.jsonl'}: all 100 rows are longer than max_length 5; max_length {verified.p95} keeps 95%"
    )


LOST = {
    "no messages": (row() | {"messages": []}, "ms-swift's loader yields 100 of 101 rows, without a message"),
    "a role": (
        row("a", "b") | {"messages": [{"role": "narrator", "content": "a"}]},
        "AssertionError: message: {'role'",
    ),
    "a number": (row("a", "b") | {"messages": 5}, "TypeError"),
    "a picture": (row("<image>a", "b", images=(Path("/no/such.png"),)), "png does not exist"),
    "no answer": (row("a"), "no trained token: every answer is empty or has loss false"),
    "no loss": (
        row("a") | {"messages": [{"role": "assistant", "content": "b", "loss": False}]},
        "no trained token: every answer is empty or has loss false",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOST)
def test_a_row_that_is_lost_is_named_with_its_line_and_reason(folder: Path, case: str) -> None:
    path = folder / "lost.jsonl"
    lost, reason = LOST[case]
    message = error_of(write(path, [row("a", "b")] * 80 + [lost] + [row("c", "d")] * 20), folder)
    assert message.startswith(f"{path}:81: ")
    assert reason in message
    assert message.endswith("; ms-swift would train without it; correct this row of the input, or remove it")
    assert message.count("\n") == 0


def test_a_column_without_a_type_in_the_first_chunk_names_the_line_that_breaks_it(folder: Path) -> None:
    path = folder / "typed.jsonl"
    long = row("a" * 100_000, "b")
    files = write(path, [long] * 120 + [row("<image>a", "b", images=(folder / "a.png",))] + [long] * 3)
    assert error_of(files, folder).startswith(f"{path}:121: ms-swift: TypeError: Couldn't cast array of type string")


def test_all_files_are_reported_and_a_changed_file_by_its_lines(folder: Path) -> None:
    files = write(folder / "one.jsonl", [row("a")]) | write(folder / "two.jsonl", [row("a", "b")])
    files[folder / "two.jsonl"] = 3
    first, second = error_of(files, folder).splitlines()
    assert first.startswith(f"{folder / 'one.jsonl'}:1: no trained token")
    assert second.endswith("two.jsonl: got 1 lines, need 3; another program has changed it: prepare it again")


def test_the_loader_leaves_the_environment_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", "/somewhere")
    write(folder / "small.jsonl", [row("a", "b")])
    swift_load.load(folder / "small.jsonl", folder / "cache")
    assert os.environ["MODELSCOPE_CACHE"] == "/somewhere"
    assert (folder / "cache").is_dir()


# What the adapters rely on: facts about ms-swift, not about our code.


def test_a_whole_text_is_trained_on_behind_an_empty_user_turn(template: Any) -> None:
    text = "  A text.\n\nIts <think>end</think>. \n"
    for messages in (
        [{"role": "assistant", "content": text, "loss": True}],
        [{"role": "user", "content": ""}, {"role": "assistant", "content": text}],
    ):
        whole, trained = encode(template, {"messages": messages, "images": []})
        assert whole == f"<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n{text}<|im_end|>\n"
        assert trained == f"{text}<|im_end|>\n"


def test_a_loss_per_message_and_pictures_of_later_turns_keep_their_places(folder: Path, template: Any) -> None:
    sample = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look: <image>"},
            {"role": "assistant", "content": "One.", "loss": False},
            {"role": "user", "content": "<image> or <image>?"},
            {"role": "assistant", "content": "Two.", "loss": True},
        ],
        "images": [str(folder / name) for name in ("a.png", "b.png", "a.png")],
    }
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    assert encode(template, sample) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        f"<|im_start|>user\nLook: {picture}<|im_end|>\n<|im_start|>assistant\nOne.<|im_end|>\n"
        f"<|im_start|>user\n{picture} or {picture}?<|im_end|>\n<|im_start|>assistant\nTwo.<|im_end|>\n",
        "Two.<|im_end|>\n",
    )


def test_text_rows_and_picture_rows_share_a_file_and_a_batch(folder: Path, template: Any) -> None:
    from swift.model import get_model_processor

    rows = [row("<image>a", "Noise.", images=(folder / "a.png",)), row("b", "Text, longer.")]
    write(folder / "mixed.jsonl", rows)
    loaded = rows_loaded(folder / "mixed.jsonl")
    assert [one["images"] for one in loaded] == [[str(folder / "a.png")], []]
    model, _ = get_model_processor(str(folder / "model"), use_hf=True, model_type="qwen3_vl", torch_dtype="float32")
    template.model = model
    template.register_post_encode_hook([model])  # as ms-swift's trainer does
    batch = template.data_collator([template.encode(one) for one in loaded])
    trained = [template.tokenizer.decode(labels[labels != -100]) for labels in batch["labels"]]
    assert trained == ["Noise.<|im_end|>\n", "Text, longer.<|im_end|>\n"]
    model(**{key: value for key, value in batch.items() if key != "loss_scale"}).loss.backward()
    assert all(parameter.grad is not None for parameter in model.model.language_model.parameters())
    template.remove_post_encode_hook()
