"""Which answer a response gives: truth tables, hostile texts included. Nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.evaluate.extract import boxes, choice_answer, choices_of, marked, math_answer, without_thoughts, yes_no

QUESTION = (
    "Which way should the gripper move?\nChoices:\nA. Up\nB. Down\nC. To the left.\nD. A\nE. None of these\nF. Stop"
)
CHOICES = choices_of(QUESTION)


def test_choices_are_the_lettered_lines_of_a_question() -> None:
    assert CHOICES == {
        "A": "Up", "B": "Down", "C": "To the left.", "D": "A", "E": "None of these", "F": "Stop"
    }  # fmt: skip
    assert choices_of("(A) Yes\n(B) No") == {"A": "Yes", "B": "No"}
    assert choices_of("A) 3 cm\nB) 4 cm\n\nC) 5 cm") == {"A": "3 cm", "B": "4 cm", "C": "5 cm"}
    assert choices_of("A. One line alone") == {}
    assert choices_of("B. Up\nC. Down") == {}
    assert choices_of("A. Look at it\nA. Up\nB. Down") == {"A": "Up", "B": "Down"}


@pytest.mark.parametrize(
    ("response", "letters"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("B. Down", "B"),
        ("(B)", "B"),
        ("**B**", "B"),
        ("`B`", "B"),
        ("B) Down", "B"),
        ("B: Down", "B"),
        ("b", ""),
        ("Down", "B"),
        ("down.", "B"),
        ("To the left", "C"),
        ("The answer is (B).", "B"),
        ("The answer is B.", "B"),
        ("The correct answer is (B)", "B"),
        ("ANSWER: **B**", "B"),
        ("Answer: B. Down", "B"),
        ("Answer\uff1aB", "B"),
        ("The final answer is: B", "B"),
        ("Answer: Down", "B"),
        ("Answer: the choice is (B)", "B"),
        ("The answer is B because the cup is below.", "B"),
        (r"\boxed{B}", "B"),
        (r"\boxed{\text{B}}", "B"),
        (r"So $\boxed{\text{B. Down}}$.", "B"),
        (r"\boxed{A} is wrong, \boxed{B} is right", "B"),
        ("Answer: A\nNo, wait.\nAnswer: B", "B"),
        ("I look at the picture.\nB", "B"),
        ("I look at the picture.\nB. Down", "B"),
        ("<think>The answer is (A).</think>B", "B"),
        (r"<think>\boxed{A}</think> The answer is (B)", "B"),
        ("reasoning that the template began </think> B", "B"),
        ("F. Stop", "F"),
        ("E", "E"),
        # no answer: nothing is guessed from capital letters
        ("Based on the picture, the gripper should move.", ""),
        ("A robot moves its arm.", ""),
        ("I cannot see the picture.", ""),
        ("It depends.", ""),
        ("", ""),
        ("<think>The answer is (A).", ""),
        (r"\boxed{", ""),
        (r"\boxed{B", ""),
        ("G", ""),
        ("The answer is unclear.", ""),
        # two different answers
        ("(A) or (B)", "AB"),
        ("The answer is (A) or (B).", "AB"),
        (r"\boxed{(A), (B)}", "AB"),
        ("B. Up", "AB"),
    ],
)
def test_a_response_names_these_letters(response: str, letters: str) -> None:
    assert choice_answer(response, CHOICES) == set(letters)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"Answer: \boxed{12}", "12"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"first \boxed{3}, then \boxed{12}", "12"),
        (r"<think>\boxed{3}</think> \boxed{12}", "12"),
        (r"\boxed{\{5, 7\}}", r"\{5, 7\}"),
        (r"\boxed {4 \sqrt { 3 }}", r"4 \sqrt { 3 }"),
        ("Answer: 12.", "12"),
        ("The answer is 12 cm", "12 cm"),
        ("12", "12"),
        ("x = 12.", "x = 12"),
        (r"\boxed{12", ""),
        ("The area is 12 square units, in 2 steps, as I have shown above.", ""),
        ("I do not know the answer to this problem, which has no picture.", ""),
        ("", ""),
        ("<think>12", ""),
    ],
)
def test_a_response_has_this_mathematical_answer(response: str, answer: str) -> None:
    assert math_answer(response) == (answer, False)


def test_two_boxes_joined_by_or_are_two_answers() -> None:
    assert math_answer(r"\boxed{5} or \boxed{7}")[1]
    assert not math_answer(r"\boxed{7} or \boxed{7}")[1]
    assert not math_answer(r"With \boxed{5} we get or rather find that \boxed{7}")[1]


@pytest.mark.parametrize(
    ("response", "answers"),
    [
        ("Yes", {"yes"}),
        ("yes.", {"yes"}),
        ("**No**, it is not.", {"no"}),
        ("Answer: No", {"no"}),
        ("True", {"yes"}),
        ("It is incorrect to say no, so yes", {"yes", "no"}),
        ("I see a cup: yes", {"yes"}),
        ("Nothing there", set()),
        ("Yesterday", set()),
        ("", set()),
    ],
)
def test_a_response_says_yes_or_no(response: str, answers: set[str]) -> None:
    assert yes_no(response) == answers


TEXTS = st.text(alphabet=st.sampled_from("ABab()[]{}\\ .:*_\n$answer isboxdthk<>/\uff1a"), max_size=200) | st.text()


@given(TEXTS)
def test_no_text_breaks_an_extractor(text: str) -> None:
    assert choice_answer(text, CHOICES) <= set(CHOICES)
    assert yes_no(text) <= {"yes", "no"}
    assert isinstance(math_answer(text)[0], str)
    assert all(line for line in marked(text))
    choices_of(text)


@pytest.mark.parametrize("piece", ["(", "\\boxed{", "answer:", "<think>", "A. x\n", "\\text{", "*", "}{", "answer is "])
def test_long_hostile_texts_end(piece: str) -> None:
    text = piece * 20_000
    assert len(boxes(text)) == 0
    without_thoughts(text)
    choice_answer(text, CHOICES)
    math_answer(text)
    yes_no(text)
    choices_of(text)
