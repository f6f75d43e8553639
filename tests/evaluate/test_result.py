"""What is printed: a figure with its interval, its denominator, and every row that is no plain answer."""

import json
from pathlib import Path

import pytest
from vlm_sft.errors import UserError
from vlm_sft.evaluate.result import read_json, read_scores, result_of, text_of, write
from vlm_sft.evaluate.run import checked_text
from vlm_sft.evaluate.task import Outcome, Prediction, Score
from vlm_sft.evaluate.tasks import TASKS

TASK = TASKS["choice"]


def rows(**outcomes: int) -> tuple[list[Prediction], list[Score]]:
    names: list[Outcome] = [name for name, count in outcomes.items() for _ in range(count)]  # type: ignore[misc]
    predictions = [
        Prediction(str(n), str(n), "", "", "", "length" if o == "cut_off" else "stop") for n, o in enumerate(names)
    ]
    lost = ("generation_error", "scorer_timeout")
    scores = [
        Score(str(n), str(n), o, "", {} if o in lost else {"accuracy": float(o == "correct")})
        for n, o in enumerate(names)
    ]
    return predictions, scores


def test_a_figure_has_its_interval_and_its_denominator() -> None:
    predictions, scores = rows(correct=5988, wrong=673, no_answer=12, cut_off=3)
    text = text_of(result_of(TASK, predictions, scores)).splitlines()[0]
    assert text == "accuracy 0.8969 [0.8894, 0.9040], n = 6,676 of 6,676; cut off 3, no answer 12"


def test_few_failed_rows_are_left_out_and_counted() -> None:
    result = result_of(TASK, *rows(correct=150, wrong=49, generation_error=1, scorer_timeout=1))
    assert text_of(result).splitlines()[0] == (
        "accuracy 0.7538 [0.6895, 0.8084], n = 199 of 201; generation error 1, scorer timeout 1"
    )


def test_many_failed_rows_leave_no_figure() -> None:
    result = result_of(TASK, *rows(correct=97, generation_error=3))
    assert not result.has_headline
    with pytest.raises(UserError) as error:
        checked_text(result, Path("metrics.json"))
    assert error.value.message == (
        "choice: no figure: 3 of 100 rows failed, more than 1%; generation error 3; "
        "run it again: failed rows are repeated"
    )
    assert not result_of(TASK, *rows(generation_error=2)).has_headline


def test_right_answers_at_the_limit_are_counted_as_truncated() -> None:
    predictions, scores = rows(correct=3)
    cut = [Prediction(p.id, p.group, "", "", "", "length") for p in predictions]
    assert text_of(result_of(TASK, cut, scores)).startswith(
        "accuracy 1.0000 [0.4385, 1.0000], n = 3 of 3; ended at the token limit 3"
    )


def test_the_files_have_what_was_printed(tmp_path: Path) -> None:
    predictions, scores = rows(correct=2, wrong=1)
    write(tmp_path, result_of(TASK, predictions, scores), scores, {"seconds": 1.5})
    assert read_scores(tmp_path) == scores
    metrics = read_json(tmp_path / "metrics.json")
    assert (metrics["headline"], metrics["outcomes"], metrics["seconds"]) == (
        "accuracy",
        {"correct": 2, "wrong": 1},
        1.5,
    )
    assert metrics["figures"]["accuracy"]["n"] == 3
    assert json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[0])["outcome"] == "correct"
