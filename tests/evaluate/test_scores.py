"""Result files of `swift infer` -> scores."""

import json

import pytest
from vlm_sft.evaluate.scores import Scores, score, table


def line(**row: object) -> bytes:
    return json.dumps(row).encode()


def test_every_row_is_scored_or_counted_with_its_reason() -> None:
    lines = [
        line(response="Yes.", labels="yes"),
        line(response="", labels="no"),
        line(response=None, labels="no"),
        line(response="No", labels=None),
        line(response="No", labels=" "),
        b"{",
        b"[1]",
    ]
    scores = score(lines)
    assert (scores.rows, scores.scored, scores.empty_answers) == (7, 2, 1)
    assert scores.dropped == {"no_label": 2, "no_response": 2, "not_json": 1}
    assert scores.figures["exact_match"] == 0.5


def test_each_metric_has_a_mean_and_bleu_one_for_each_order() -> None:
    figures = score(
        [line(response="a red cup stands", labels="a red cup stands"), line(response="x", labels="y")]
    ).figures
    assert figures.keys() >= {"exact_match", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"}
    assert figures["exact_match"] == 0.5
    assert figures["bleu_1"] == pytest.approx(0.5, abs=1e-6)


def test_without_rows_there_are_no_figures() -> None:
    assert score([]) == Scores(0, 0, {}, 0, {})


def test_the_table_shows_the_number_of_scored_rows() -> None:
    scores = score([line(response="a", labels="a"), b"{"])
    assert table(scores).splitlines()[0] == "exact_match     1.0000  n = 1"
    assert table(scores).splitlines()[-2:] == [
        "rows                 2  0 answered with nothing",
        "dropped              1  not_json",
    ]
