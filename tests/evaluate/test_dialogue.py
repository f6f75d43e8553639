"""Free dialogues with a teacher: who sees what, when they end, and a teacher that is busy, silent or talks nonsense."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import Reply, completion, serving
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.client import connect
from vlm_sft.evaluate.dialogue import Rules, Teacher, dialogues
from vlm_sft.evaluate.generate import generate_with
from vlm_sft.evaluate.result import result_of, text_of
from vlm_sft.evaluate.samples import read_samples
from vlm_sft.evaluate.task import Prediction, Sample
from vlm_sft.evaluate.tasks import TASKS

SAMPLE = Sample("rows:1", "rows:1", ({"role": "user", "content": "Which way?"},), (), "Upwards.")
TASK = TASKS["fire-free"]


def student(request: dict[str, Any], number: int) -> Reply:
    return completion(f"answer {sum(m['role'] == 'assistant' for m in request['messages']) + 1}")


def lead(
    teacher: Callable[[dict[str, Any], int], Reply], rules: Rules | None = None
) -> tuple[Prediction, list[Any], list[Any]]:
    """Lead one dialogue; return the prediction and the requests to student and teacher."""
    found: list[Prediction] = []
    with serving(student) as (address, asked), serving(teacher) as (other, judged):
        predict = dialogues(Teacher(connect(other, retries=1), "judge", rules or Rules()), {"max_tokens": 8})
        generate_with([address], [SAMPLE], predict, 1, found.append, lambda line: None)
    return found[0], asked, judged


def scores(*numbers: int) -> Callable[[dict[str, Any], int], Reply]:
    return lambda request, number: completion(f"Score: {numbers[number - 1]}.\nFeedback: hint {number}")


def values(prediction: Prediction) -> dict[str, float]:
    return dict(TASK.score([prediction])[0].values)


def test_the_student_sees_feedback_without_score_and_the_teacher_no_history() -> None:
    prediction, asked, judged = lead(scores(3, 9))
    assert [(m["role"], m["content"]) for m in asked[1]["messages"]] == [
        ("user", "Which way?"),
        ("assistant", "answer 1"),
        ("user", "hint 1"),
    ]
    for number, request in enumerate(judged, 1):
        (message,) = request["messages"]
        assert message["content"].startswith("Question: Which way?\nCorrect answer: Upwards.\n")
        assert message["content"].endswith(f"Student's answer: answer {number}")
    assert prediction.response == "answer 2"
    assert [turn["score"] for turn in prediction.extra["turns"]] == [3, 9]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((9,), {"average_turns": 1, "average_dialogue_refinement": 0, "refinement_ratio": 0, "satisfied_at_first": 1}),
        (
            (3, 9),
            {"average_turns": 2, "average_dialogue_refinement": 6, "average_turn_refinement": 6, "refinement_ratio": 1},
        ),
        (
            (3, 5, 8),
            {"average_turns": 3, "average_dialogue_refinement": 5, "average_turn_refinement": 2.5, "satisfied": 1},
        ),
        ((5, 3), {"average_turns": 10, "average_turns_raw": 2, "average_dialogue_refinement": -2, "satisfied": 0}),
        ((4, 4), {"average_turns_raw": 2, "average_turn_refinement": 0, "refinement_ratio": 0}),
        ((1, 2, 3, 4, 5, 9), {"average_turns": 10, "average_turns_raw": 5, "satisfied": 0}),
    ],
)
def test_a_dialogue_ends_when_it_satisfies_stalls_or_is_long(
    given: tuple[int, ...], expected: dict[str, float]
) -> None:
    prediction, asked, _ = lead(scores(*given))
    assert len(asked) == min(len(given), 5)
    found = values(prediction)
    assert {name: found[name] for name in expected} == expected


def test_a_teacher_that_recovers_is_asked_again() -> None:
    def teacher(request: dict[str, Any], number: int) -> Reply:
        return scores(9, 9, 9)(request, number) if number == 3 else completion("I like it.")

    prediction, _, judged = lead(teacher)
    assert values(prediction)["satisfied"] == 1
    assert len(judged) == 3


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (completion("I like it."), "teacher: no score from 1 to 10 in 'I like it.'"),
        (completion("Score: 11\nFeedback: x"), "teacher: no score from 1 to 10 in 'Score: 11"),
        ((400, {}, b"{}"), "teacher: BadRequestError"),
        ((200, {}, b"<html>"), "teacher: "),
    ],
)
def test_a_teacher_that_fails_is_not_the_students_fault(reply: Reply, error: str) -> None:
    prediction, _, _ = lead(lambda request, number: reply)
    assert prediction.error.startswith(error)
    (score,) = TASK.score([prediction])
    assert (score.outcome, score.values) == ("teacher_error", {})
    good, _, _ = lead(scores(9))
    result = result_of(TASK, [prediction, good], TASK.score([prediction, good]))
    assert not result.has_headline
    assert "1 of 2 rows failed, more than 1%; teacher error 1" in text_of(result)


def test_the_rules_and_the_teacher_are_in_the_identity() -> None:
    teacher = Teacher(connect("http://127.0.0.1:1/v1"), "judge", Rules(threshold=9, max_rounds=3))
    identity = teacher.identity()
    assert identity["instruction"].startswith("You are a teacher.")
    del identity["instruction"]
    assert identity == {"model": "judge", "history": "none", "threshold": 9, "max_rounds": 3, "penalty": 2.0}


def test_a_recorded_dialogue_is_replayed_by_scoring_it_again() -> None:
    prediction, _, _ = lead(scores(3, 9))
    assert values(prediction) == values(Prediction(**json.loads(json.dumps({
        name: getattr(prediction, name) for name in Prediction.__dataclass_fields__
    }))))  # fmt: skip
    with pytest.raises(ConfigError, match="need the turns of a dialogue"):
        TASK.score([Prediction("rows:1", "rows:1", "?", "x", "y")])


def test_a_dialogue_begins_with_the_question_and_ends_at_the_last_answer(tmp_path: Path) -> None:
    turns = [("user", "Q"), ("assistant", "wrong"), ("user", "hint"), ("assistant", "right")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (sample,) = read_samples([str(tmp_path / "rows.jsonl")], "dialogue")
    assert (list(sample.messages), sample.reference) == ([{"role": "user", "content": "Q"}], "right")
