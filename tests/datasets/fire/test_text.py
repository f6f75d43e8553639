"""The parsers of FIRE's texts: source, score, feedback, answer."""

import time

import pytest
from vlm_sft.datasets.fire.rows import source_of
from vlm_sft.datasets.fire.text import answer_of, feedback_of, score_of


@pytest.mark.parametrize(
    ("image", "source"),
    [
        ("coco/train2017/1.jpg", "coco"),
        ("geoqa+/images/1.png", "geoqa+"),
        ("images/412.jpg", "mathvista"),
        ("mathvista/images/412.jpg", "mathvista"),
        ("412.jpg", "(no folder)"),
    ],
)
def test_the_source_is_the_first_folder(image: str, source: str) -> None:
    assert source_of(image) == source


@pytest.mark.parametrize(
    ("value", "score"),
    [
        ("Score: 6.\nFeedback: x", 6),
        ("\n Score: 10", 10),
        ("Score: 7/10.", 7),
        ("Score: 7.5.", 7.5),
        ("My Score: about 4 of 10", 4),
        ("**Score:** 8\nFeedback: x", 8),
        ("Score:8", 8),
        ("Score: 0.", None),
        ("Score: 11", None),
        ("Score: ?\nFeedback: 5 cars", None),
        ("Score: Feedback: 5 cars", None),
        ("x\nScore: 5", None),
        ("Feedback: Score: 5", None),
        ("", None),
    ],
)
def test_the_score_is_the_first_number_of_the_score_line(value: str, score: float | None) -> None:
    assert score_of(value) == score


@pytest.mark.parametrize("value", ["Score:" * 200_000, " \n" * 200_000, "Score" * 200_000, "Feedback" * 200_000])
def test_no_text_is_slow_to_parse(value: str) -> None:
    started = time.process_time()
    score_of(value), feedback_of(value), answer_of(value)
    assert time.process_time() - started < 1
