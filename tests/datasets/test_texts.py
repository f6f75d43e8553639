"""Texts of untrusted rows: image tags, missing values, tags of other media."""

import time

import pytest
from vlm_sft.datasets.texts import clean, foreign_tags, given


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (" a ", "a"),
        ("<image>\nWhat?", "What?"),
        ("<image>\n<image>\nWhat?", "What?"),
        ("What?\n<image>", "What?"),
        ("reads <image> here", "reads here"),
        ("reads <image>here", "reads here"),
        ("reads<image>here", "readshere"),
        ("a  b <image> c", "a  b c"),
        ("a\n<image>\nb", "a\nb"),
        ("a\n\n<image>\nb", "a\n\nb"),
        ("a <image>\n<IMAGE> b", "a\nb"),
        ("< Image > a", "a"),
        ("<img>x.jpg</img> a", "a"),
        ("<image>", ""),
        ("x < y <video> <images> <img src='x'> [IMG]", "x < y <video> <images> <img src='x'> [IMG]"),
        ("e\u0301 \uff41 \u00a0b", "e\u0301 \uff41 \u00a0b"),
    ],
)
def test_image_tags_go_with_the_space_around_them(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("part", ["<image>", " <image> x", "<img>", "<", "< ", " ", "<image"])
def test_no_text_is_slow_to_clean(part: str) -> None:
    started = time.process_time()
    clean("x" + part * 200_000), foreign_tags(part * 200_000)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("field", [None, float("nan"), 5, [], "nan", " NaN\n", "None", "null", "<NA>"])
def test_a_missing_value_is_an_empty_text(field: object) -> None:
    assert given(field) == ""


@pytest.mark.parametrize("field", ["", "a", "none", "no nan", "Nancy", " x "])
def test_other_texts_are_returned_as_they_are(field: str) -> None:
    assert given(field) == field


def test_foreign_tags_are_found_once_in_lower_case() -> None:
    text = "<video> <Video> </img> <ref-object> [IMG] <image 1> <image2> <b> [0.1] <image> <|im_end|> <think>"
    assert foreign_tags(text) == {"<video>", "</img>", "<ref-object>", "[img]", "<image 1>", "<image2>"}
    assert foreign_tags("no tag") == set()
