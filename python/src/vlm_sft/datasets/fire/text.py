r"""Parse the texts of a FIRE row: a student's answer, a teacher's score and feedback.

student  "Thought: There is no engine.\nAnswer: Two bicycles are leaning on the wall.\n\n"
teacher  "Score: 9.\nFeedback: Good, kind and number are right now.\n"
"""

import re

IMAGE_TAG = "<image>"
# The first number after "Score:" in the first line that is not blank, before any "Feedback:".
# Possessive quantifiers (*+) prevent backtracking.
SCORE = re.compile(r"\s*+(?:(?!Score:|Feedback:)[^\n])*+Score:(?:(?!Feedback:)[^\n\d])*+(\d+(?:\.\d+)?)")
MAX_SCORE = 10  # the teacher's scale is 1 to 10; a 0 marks a score that FIRE's authors could not read


def clean(text: str) -> str:
    """Remove image tags and outer whitespace: ms-swift would insert an image at a stray tag."""
    return text.replace(IMAGE_TAG, "").strip() if IMAGE_TAG in text else text.strip()


def answer_of(value: str) -> str:
    """Return the text after the first "Answer:", without the thought before it; without this marker, the whole text."""
    _, marker, answer = value.partition("Answer:")
    return clean(answer if marker else value)


def score_of(value: str) -> float | None:
    """Return the first number after "Score:" in the first line, as in "Score: 6.", "Score: 7/10", "Score: 7.5".

    None if there is none or it is not on the scale; 0 is not on the scale.
    """
    number = SCORE.match(value)
    score = float(number[1]) if number else 0.0
    return score if 0 < score <= MAX_SCORE else None


def feedback_of(value: str) -> str:
    """Return the text after the first "Feedback:"; without this marker, all text except a first line with the score."""
    _, marker, feedback = value.partition("Feedback:")
    if marker:
        return clean(feedback)
    first_line, _, rest = value.lstrip().partition("\n")
    return clean(rest if "Score:" in first_line else value)
