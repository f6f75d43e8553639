r"""Equality of mathematical answers: what math-verify gets right, its traps, and that a timeout is no wrong answer."""

import pytest
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.math_equal import compare

EQUAL = [
    ("60", r"60^\circ"),
    ("60", "60 degrees"),
    (r"4 \sqrt { 3 }", r"4\sqrt3"),  # read as 3 without a box around it
    (r"4 \sqrt { 3 }", r"\sqrt{48}"),
    (r"2 \sqrt { 221 }", r"2\sqrt{221}"),
    ("1/2", "0.5"),
    ("0.5", r"\dfrac12"),
    (r"\frac{1}{2}", "1/2"),
    ("12", r"12\text{ cm}"),
    ("12", r"12\,\text{cm}^2"),
    ("12", "12 cm"),
    ("12", "x=12"),
    ("1,234", "1234"),
    ("12", "12.0"),
    (r"3 \sqrt { 2 } + 1", r"1+3\sqrt2"),
    (r"\infty", r"\infty"),
    (r"\{7, 5\}", r"\{5, 7\}"),
    (r"\boxed{12}", "12"),
]
UNEQUAL = [
    (r"4 \sqrt { 3 }", "6.93"),
    (r"4 \sqrt { 3 }", "3"),
    (r"2 \sqrt { 221 }", "221"),
    (r"\{5, 7\}", "7"),
    ("12", "13"),
    ("12", "I cannot say"),
    ("12", r"\frac{"),
]


@pytest.mark.parametrize(("pairs", "verdict"), [(EQUAL, "equal"), (UNEQUAL, "unequal")], ids=["equal", "unequal"])
def test_pairs_have_their_verdict(pairs: list[tuple[str, str]], verdict: str) -> None:
    assert list(zip(pairs, compare(pairs, 2), strict=True)) == [(pair, verdict) for pair in pairs]


def test_an_endless_computation_is_a_timeout_and_the_others_are_judged() -> None:
    pairs = [("1", "1"), ("1", "9^{9^{9^9}}"), ("1", "1000000!"), ("2", "2"), ("2", "3")]
    assert compare(pairs, 2, limit_s=1) == ["equal", "timeout", "timeout", "equal", "unequal"]


def test_a_reference_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigError) as error:
        compare([("1", "1"), (r"\text{ }", "1")], 1, ["rows:1", "rows:2"])
    assert error.value.message == (
        r"rows:2: reference: got '\\text{ }', need an expression that math-verify can read; "
        "correct the row, or leave it out (1 such rows)"
    )
