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
        ("score: 7\nfeedback: x", 7),
        ("**Score**: 7.5 of 10", 7.5),
        ("Score\uff1a8\nFeedback\uff1ax", 8),
        ("Overall feedback, score: 8", 8),
        ("Score: ten\nFeedback: 5 cars", None),
        ("Score: -3\nFeedback: x", None),
        ("Score:\n8\nFeedback: x", None),
        ("x\nScore: 5", None),
        ("Feedback: Score: 5", None),
        ("", None),
    ],
)
def test_the_score_is_the_first_number_of_the_score_line(value: str, score: float | None) -> None:
    assert score_of(value) == score


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("Thought: x\nAnswer: a\n\n", "a"),
        ("Thought: x\r\nAnswer: a\r\nb", "a\r\nb"),
        ("Thought: x. Answer: a", "a"),
        ("Thought: the Answer: is\nAnswer: a", "a"),
        ("Thought: the answer: is\n\nanswer: a", "a"),
        ("Thought: x\nAnswer: a\nAnswer: b", "a\nAnswer: b"),
        ("Answer: a\nThought: x\nAnswer: b", "a\nThought: x\nAnswer: b"),
        ("Thought: x\n**Answer:** a", "a"),
        ("**Answer**: a", "a"),
        ("**Answer: a**", "a"),
        ("## Answer: a", "a"),
        ("Answer: **a**", "**a**"),
        ("ANSWER\uff1aa", "a"),
        ("a", "a"),
        ("None", ""),
        ("Answer: None", "None"),
    ],
)
def test_the_answer_is_the_text_after_its_marker(value: str, answer: str) -> None:
    assert answer_of(value) == answer


@pytest.mark.parametrize(
    ("value", "feedback"),
    [
        ("Score: 3.\nFeedback: a\n", "a"),
        ("Score: 3. Feedback: a", "a"),
        ("score: 3\nfeedback: a", "a"),
        ("**Score:** 3\n**Feedback:** a", "a"),
        ("Score: the Feedback: is\nFeedback: a", "a"),
        ("score: ten\na", "a"),
        ("Score\uff1a8\na", "a"),
        ("Score: ten", ""),
        ("nan", ""),
        ("a\nScore: 5", "a\nScore: 5"),
    ],
)
def test_no_score_line_is_part_of_the_feedback(value: str, feedback: str) -> None:
    assert feedback_of(value) == feedback


@pytest.mark.parametrize(
    "part", ["Score:", " \n", "Score", "Feedback", "Answer ", "**Answer", "*", "# ", "\n\t", "score:*"]
)
def test_no_text_is_slow_to_parse(part: str) -> None:
    started = time.process_time()
    value = part * 200_000
    score_of(value), feedback_of(value), answer_of(value)
    assert time.process_time() - started < 1
