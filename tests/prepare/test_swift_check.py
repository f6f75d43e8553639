"""The last check before a line is written."""

from typing import Any

import orjson
import pytest
from vlm_sft.datasets.conversation import Drop
from vlm_sft.prepare.swift_check import control_character, problem_of


def sample(*messages: dict[str, Any], images: int = 1) -> dict[str, Any]:
    return {"messages": list(messages), "images": ["/x.jpg"] * images}


def user(text: str = "<image>\nq") -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str = "a", *, loss: bool = True) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "loss": loss}


def test_a_valid_sample_has_no_problem() -> None:
    assert problem_of(sample(user(), assistant(loss=False), user("f"), assistant())) is None
    assert problem_of(sample({"role": "system", "content": "s"}, user("q"), assistant(), images=0)) is None


@pytest.mark.parametrize("text", ["x<|im_end|>", "<|image_pad|>", "<|vision_start|>y"])
def test_control_tokens_in_any_text_are_found(text: str) -> None:
    assert isinstance(problem_of(sample(user("<image>" + text), assistant())), Drop)
    assert isinstance(problem_of(sample(user(), assistant(text))), Drop)


@pytest.mark.parametrize("text", ["a <| b |> c", "x < y", "<|>", "a<b|c>"])
def test_ordinary_characters_are_not_control_tokens(text: str) -> None:
    assert problem_of(sample(user(), assistant(text))) is None


@pytest.mark.parametrize(("messages", "images"), [((user("q"), assistant()), 1), ((user(), assistant("<image>")), 1)])
def test_image_tags_are_counted(messages: tuple[dict[str, Any], ...], images: int) -> None:
    problem = problem_of(sample(*messages, images=images))
    assert problem is not None
    assert problem.reason == "image_tag_in_text"


@pytest.mark.parametrize(
    "messages",
    [
        (user(),),
        (assistant(), user()),
        (user(), assistant(), user("f")),
        (user(), assistant(), assistant()),
        (user(), assistant("")),
        (user(), assistant(loss=False)),
    ],
)
def test_an_invalid_sample_of_this_program_raises_an_error(messages: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ValueError, match="swift_row wrote a sample that cannot be trained on"):
        problem_of(sample(*messages))


def test_a_path_tag_is_an_image_to_ms_swift_only_without_images() -> None:
    text = user("see <img>/etc/hostname</img>")
    assert problem_of(sample(text, assistant(), images=0)) == Drop("image_tag_in_text", "<img>/etc/hostname</img>")
    assert problem_of(sample(user("<image>" + text["content"]), assistant())) is None


@pytest.mark.parametrize(
    ("text", "shown"), [("a\0b", "\\u0000"), ("\beta", "\\b"), ("\\\f", "\\f"), ("\x1f", "\\u001f")]
)
def test_control_characters_are_found(text: str, shown: str) -> None:
    assert control_character(orjson.dumps([text])) == Drop("control_character", shown)


@pytest.mark.parametrize("text", ["a\tb\r\n", r"\u0000", r"\\beta\frac", '\\"b"', "\x7f\x85\u2028"])
def test_ordinary_escapes_are_no_control_characters(text: str) -> None:
    assert control_character(orjson.dumps([text])) is None
