r"""Every task: what a response is worth, why it has no answer, and which data it refuses."""

import importlib
from typing import Any

import pytest
from vlm_sft.datasets.conversation import Conversation
from vlm_sft.datasets.geo3k import rows as geo3k_rows
from vlm_sft.datasets.robo2vlm import rows as robo2vlm_rows
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.task import Prediction, Score
from vlm_sft.evaluate.tasks import TASKS
from vlm_sft.evaluate.tasks.fire import feedback_of, score_of
from vlm_sft.evaluate.tasks.robo2vlm import rlinf_answer, rlinf_match

ROBO = "Which way?\nChoices:\nA. Up\nB. Down\nC. It is done."


def predict(response: str, reference: str, question: str = "?", **more: Any) -> Prediction:
    return Prediction("rows:1", "rows:1", question, reference, response, **more)


def one(task: str, response: str, reference: str, question: str = "?", **more: Any) -> Score:
    (score,) = TASKS[task].score([predict(response, reference, question, **more)])
    return score


def refused(task: str, response: str, reference: str, question: str = "?", **more: Any) -> str:
    with pytest.raises(ConfigError) as error:
        one(task, response, reference, question, **more)
    return error.value.message


@pytest.mark.parametrize("task", ["choice", "robo2vlm"])
@pytest.mark.parametrize(
    ("response", "finish_reason", "outcome", "extracted"),
    [
        ("B. Down", "stop", "correct", "B"),
        ("The answer is (B)", "length", "correct", "B"),
        ("A", "stop", "wrong", "A"),
        ("Based on it.", "stop", "no_answer", ""),
        ("Let me see", "length", "cut_off", ""),
        ("", "stop", "empty", ""),
        ("(A) or (B)", "stop", "ambiguous", "A or B"),
    ],
)
def test_a_choice_has_an_outcome(task: str, response: str, finish_reason: str, outcome: str, extracted: str) -> None:
    score = one(task, response, "B. Down", ROBO, finish_reason=finish_reason)
    assert (score.outcome, score.extracted) == (outcome, extracted)
    assert score.values["accuracy"] == float(outcome == "correct")


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_failed_server_is_not_the_models_fault(task: str) -> None:
    references = {"choice": "B", "robo2vlm": "B. Down", "yes-no": "yes", "geo3k": "12"}
    score = one(task, "", references.get(task, "x"), ROBO, error="APITimeoutError")
    assert (score.outcome, score.values) == ("generation_error", {})


def test_the_published_rule_needs_letter_and_text_and_fails_after_a_dot() -> None:
    assert rlinf_match("B. Down", "B. Down")
    assert rlinf_match("The answer is b.  down.", "B. Down")
    assert rlinf_match("ANSWER: B. Down\nbecause", "B. Down")
    assert rlinf_match(r"<think>A. Up</think>\boxed{B. Down}", "B. Down")
    assert not rlinf_match("B", "B. Down")
    assert not rlinf_match("Down", "B. Down")
    assert not rlinf_match("The answer is A. Up. No, the answer is B. Down", "B. Down")  # the first marker counts
    # the trap: dots are stripped from the response alone, so a right choice that ends with one never matches
    assert rlinf_answer("C. It is done.") == "C. It is done"
    assert not rlinf_match("C. It is done.", "C. It is done.")
    right = one("robo2vlm", "C. It is done.", "C. It is done.", ROBO)
    assert right.values == {"accuracy": 1.0, "accuracy_rlinf": 0.0}
    assert one("robo2vlm", "B", "B. Down", ROBO).values == {"accuracy": 1.0, "accuracy_rlinf": 0.0}


def test_geometry_is_compared_as_mathematics() -> None:
    gold = r"Answer: \boxed{4 \sqrt { 3 }}"
    responses = {
        r"\boxed{\sqrt{48}}": ("correct", r"\sqrt{48}"),
        r"Answer: \boxed{3}": ("wrong", "3"),
        "The figure shows a triangle, in which I can see many angles.": ("no_answer", ""),
        r"\boxed{4 \sqrt{3": ("no_answer", ""),
        r"\boxed{5} or \boxed{7}": ("ambiguous", "7"),
        "": ("empty", ""),
    }
    scores = TASKS["geo3k"].score([predict(response, gold) for response in responses])
    assert [(score.outcome, score.extracted) for score in scores] == list(responses.values())
    assert [score.values["accuracy"] for score in scores] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert one("geo3k", r"\boxed{4 \sq", gold, finish_reason="length").outcome == "cut_off"
    assert one("geo3k", r"\boxed{9^{9^{9^9}}}", "1").outcome == "scorer_timeout"
    assert one("geo3k", r"\boxed{9^{9^{9^9}}}", "1").values == {}


@pytest.mark.parametrize(
    ("text", "score", "feedback"),
    [
        ("Score: 3.\nFeedback: Look again.", 3, "Look again."),
        ("Score: 7.5\nFeedback: x", 7, "x"),
        ("Score: 8/10\nFeedback: x", 8, "x"),
        ("I say Score: 10", 10, "I say Score: 10"),
        ("\nScore: 3", None, "Score: 3"),
        ("Good.\nScore: 3", None, "Good.\nScore: 3"),
        ("Score: none", None, "Score: none"),
        ("Score: none\nFeedback: 7 items", None, "7 items"),
    ],
)
def test_a_teachers_turn_has_a_score_in_its_first_line(text: str, score: int | None, feedback: str) -> None:
    assert (score_of(text), feedback_of(text)) == (score, feedback)


def test_fire_scores_students_and_teachers() -> None:
    teacher = "Score: 3.\nFeedback: Look at the ends."
    exact, off, without = TASKS["fire"].score(
        [
            predict(teacher, teacher),
            predict("Score: 9.\nFeedback: Look at the ends.", teacher),
            predict("Good.", teacher),
        ]
    )
    assert exact.values["score_error"] == 0
    assert off.values["score_error"] == 6
    assert off.values["bleu_4"] == pytest.approx(1)
    assert (without.outcome, without.values["score_error"]) == ("no_answer", 10)
    student = one("fire", "Upwards.", "Upwards.")
    assert student.values["bleu_1"] == pytest.approx(1)
    assert "score_error" not in student.values


def test_text_has_todays_figures() -> None:
    same, other = TASKS["text"].score(
        [predict("a red cup stands", "a red cup stands"), predict("", "b", finish_reason="stop")]
    )
    assert list(same.values) == ["exact_match", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"]
    assert same.values["exact_match"] == same.values["rouge_l"] == 1
    assert (other.outcome, other.values["exact_match"]) == ("empty", 0)


def test_yes_and_no() -> None:
    assert one("yes-no", "Yes, it is.", "yes").outcome == "correct"
    assert one("yes-no", "No", "Yes.").outcome == "wrong"
    assert one("yes-no", "Perhaps", "Yes.").outcome == "no_answer"


def test_a_row_without_target_tokens_has_no_loss() -> None:
    assert one("loss", "", "x", extra={"loss_sum": 6.0, "tokens": 3}).values["loss"] == 2
    assert one("loss", "", "x", extra={"loss_sum": 0.0, "tokens": 0}).outcome == "no_answer"


def test_data_of_another_task_is_refused_with_its_row() -> None:
    assert refused("choice", "B", "B", "Which way?") == (
        'rows:1: question: got \'Which way?\', need lines such as "A. Up" and "B. Down"; '
        "prepare the data with the choices in the question, or choose another task"
    )
    assert refused("robo2vlm", "B", "Sideways", ROBO) == (
        'rows:1: reference: got \'Sideways\', need one of the choices A, B, C, such as "B" or "B. Down"; '
        "correct the row, or choose another task"
    )
    assert refused("yes-no", "Yes", "A red cup.").startswith("rows:1: reference: got 'A red cup.', need a text that")
    assert refused("geo3k", "12", r"\text{ }").startswith("rows:1: reference: got")
    assert refused("loss", "", "x") == (
        "rows:1: extra: got {}, need loss_sum and tokens, which `vlm-sft evaluate run --task loss` writes"
    )


def of(conversation: object) -> Prediction:
    assert isinstance(conversation, Conversation)
    answer = conversation.turns[-1].answer
    return predict(answer, answer, conversation.question)


def test_each_datasets_gold_is_right_against_itself() -> None:
    image = {"bytes": b"x", "path": None}
    robo = [
        robo2vlm_rows.parse(
            {"id": f"droid_{i}", "question": "Which?", "choices": str(choices), "correct_answer": i, "image": image}
        )
        for choices in (["Up", "Down", "It's done."], ["3 cm", "4 cm", "A", "B", "None of the above", "Yes"])
        for i in range(len(choices))
    ]
    scores = TASKS["robo2vlm"].score([of(row) for row in robo])
    assert {score.values["accuracy"] for score in scores} == {1.0}
    answers = [r"4 \sqrt { 3 }", r"\frac { 1 } { 2 }", "60", "12.5", "x ^ { 2 }", r"2 \sqrt { 221 }", "1:2"]
    for target in ("boxed", "plain"):
        geo = [
            geo3k_rows.parse({"images": ["data:image/png;base64,aaaa"], "problem": "Find x.", "answer": a}, target)
            for a in answers
        ]
        scores = TASKS["geo3k"].score([of(row) for row in geo])
        assert [(s.extracted, s.outcome) for s in scores if s.outcome != "correct"] == []


def test_every_task_is_an_entry_under_its_own_name() -> None:
    for name, task in TASKS.items():
        assert task.name == name
        assert importlib.import_module(f"vlm_sft.evaluate.tasks.{name.replace('-', '_')}").TASK is task
