"""Figures with intervals against published values and scipy."""

import math

import pytest
from scipy.stats import binomtest
from vlm_sft.evaluate.estimate import difference, estimate, mcnemar, wilson

ROWS = [str(number) for number in range(400)]
ONES = [1.0] * 400


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 50, 0.0, 0.0714), (50, 50, 0.9286, 1.0), (5988, 6656, 0.8922, 0.9066), (300, 601, 0.4593, 0.5390)],
)
def test_a_share_has_wilsons_interval(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    peer = binomtest(successes, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(peer.low), pytest.approx(peer.high))


def test_the_same_rows_give_the_same_interval() -> None:
    values = [float(number % 7) for number in range(400)]
    first, second = (estimate("mean", values, ROWS, ONES) for _ in range(2))
    assert first == second
    assert first.value == pytest.approx(sum(values) / 400)
    assert first.low is not None
    assert first.high is not None
    error = 1.96 * 2 / math.sqrt(400)  # the standard deviation of 0 to 6 is 2
    assert first.high - first.low == pytest.approx(2 * error, rel=0.1)


def test_rows_that_belong_together_widen_the_interval() -> None:
    values = [float(number // 20 % 2) for number in range(400)]
    alone = estimate("share", values, ROWS, ONES)
    together = estimate("share", values, [str(number // 20) for number in range(400)], ONES)
    assert alone.method == "Wilson"
    assert together.method.startswith("bootstrap over 20 groups")
    assert alone.value == together.value == 0.5
    assert alone.low is not None
    assert alone.high is not None
    assert together.low is not None
    assert together.high is not None
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_groups_that_are_all_right_have_an_interval_of_their_number() -> None:
    found = estimate("share", [1.0] * 400, [str(number // 20) for number in range(400)], ONES)
    assert (found.low, found.high, found.n) == (pytest.approx(wilson(20, 20).low), 1.0, 400)


def test_a_loss_is_the_sum_over_the_tokens() -> None:
    tokens = [float(1 + number % 9) for number in range(400)]
    losses = [2.0 if number % 9 else 8.0 for number in range(400)]
    expected = sum(loss * n for loss, n in zip(losses, tokens, strict=True)) / sum(tokens)
    loss = estimate("per_token", losses, ROWS, tokens)
    assert loss.value == pytest.approx(expected)
    perplexity = estimate("perplexity", [math.exp(loss) for loss in losses], ROWS, tokens)
    assert perplexity.value == pytest.approx(math.exp(expected))
    assert loss.low is not None
    assert perplexity.low == pytest.approx(math.exp(loss.low))


def test_one_independent_row_has_no_interval() -> None:
    found = estimate("mean", [1.0, 3.0], ["a", "a"], [1.0, 1.0])
    assert (found.value, found.low, found.high) == (2.0, None, None)
    assert str(found) == "2.0000 [no interval: one independent row]"


def test_mcnemar_is_exact() -> None:
    assert mcnemar(30, 55) == pytest.approx(0.0088, abs=5e-5)
    assert mcnemar(0, 5) == 0.0625
    assert mcnemar(0, 6) == 0.03125
    assert mcnemar(0, 0) == 1.0


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    first = [float(number % 2) for number in range(400)]
    second = [1.0 if number % 40 == 0 else value for number, value in enumerate(first)]
    found = difference(first, second, ROWS, ONES)
    assert found.value == pytest.approx(0.025)
    assert found.low is not None
    assert 0 < found.low < 0.025
