"""Text metrics against values computed by hand."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.evaluate.metrics import bleu, cider_d, exact_match, rouge_l

ORACLE = json.loads((Path(__file__).parents[1] / "data/evaluate/coco_scores.json").read_text(encoding="utf-8"))["rows"]
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [("Yes.", "yes", True), ("  two\n words ", "Two words.", True), ("yes!", "yes", False), ("", "", True)],
)
def test_exact_match_ignores_case_white_space_and_the_last_dot(answer: str, reference: str, same: bool) -> None:
    assert exact_match(answer, reference) is same


def test_bleu_and_cider_d_equal_those_of_an_independent_implementation() -> None:
    """pycocoevalcap is not installed with the tests: its results are kept, with the sentences that it scored."""
    answers, references = [row["answer"] for row in ORACLE], [row["reference"] for row in ORACLE]
    for answer, reference, row in zip(answers, references, ORACLE, strict=True):
        assert bleu(answer, reference) == pytest.approx(row["bleu"], abs=1e-8)
    assert cider_d(answers, references) == pytest.approx([row["cider"] for row in ORACLE], abs=1e-8)


def test_bleu_of_a_short_answer_is_precision_times_brevity() -> None:
    # 3 of 3 words and 2 of 2 pairs match; the answer has 3 words of 4: exp(1 - 4/3)
    assert bleu("the red cup", "the red cup stands")[:2] == pytest.approx([math.exp(-1 / 3)] * 2)


def test_bleu_clips_a_repeated_word() -> None:
    # "the" occurs once in the reference: 1 of 3 words counts; the lengths are the same
    assert bleu("the the the", "the red cup")[0] == pytest.approx(1 / 3)


def test_rouge_l_weights_recall_more_than_precision() -> None:
    # common subsequence "a c": precision 2/2, recall 2/4, beta 1.2
    assert rouge_l("a c", "a b c d") == pytest.approx((1 + 1.44) * 1 * 0.5 / (0.5 + 1.44 * 1))


def test_cider_d_of_two_unrelated_references_is_ten_for_a_copy_and_zero_for_the_other() -> None:
    references = ["a red cup stands here", "the dog runs very fast"]
    assert cider_d(references, references) == pytest.approx([10, 10])
    assert cider_d(references[::-1], references) == pytest.approx([0, 0])


def test_cider_d_ignores_n_grams_that_every_reference_has() -> None:
    assert cider_d(["a b c d"] * 2, ["a b c d"] * 2) == [0, 0]


@given(WORDS, WORDS)
def test_metrics_stay_in_range_and_a_copy_is_best(answer: str, reference: str) -> None:
    for value in (*bleu(answer, reference), rouge_l(answer, reference)):
        assert 0 <= value <= 1 + 1e-6
    assert rouge_l(reference, reference) == pytest.approx(1)
    assert bleu(reference, reference)[0] == pytest.approx(1)
    assert all(0 <= value <= 10 + 1e-6 for value in cider_d([answer, reference], [reference, answer]))
