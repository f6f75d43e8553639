r"""The texts inside a FIRE row: what a student's and a teacher's value say.

student  "Thought: There is no engine.\nAnswer: Two bicycles are leaning on the wall.\n\n"
teacher  "Score: 9.\nFeedback: Good, kind and number are right now.\n"
"""

import re

IMAGE_TAG = "<image>"
# The first number after "Score:" in the first line that is not blank, before any "Feedback:".
# Possessive (*+), so that no text makes it go back and forth.
SCORE = re.compile(r"\s*+(?:(?!Score:|Feedback:)[^\n])*+Score:(?:(?!Feedback:)[^\n\d])*+(\d+(?:\.\d+)?)")
MAX_SCORE = 10  # the teacher's scale is 1 to 10; a 0 marks a score that could not be read when the data was made


def clean(text: str) -> str:
    """Take image tags and outer white space away; ms-swift would put an image where a stray tag stands."""
    return text.replace(IMAGE_TAG, "").strip() if IMAGE_TAG in text else text.strip()


def answer_of(value: str) -> str:
    """Return what follows the first "Answer:", so without the thought before it; the whole text where there is none."""
    _, marker, answer = value.partition("Answer:")
    return clean(answer if marker else value)


def score_of(value: str) -> float | None:
    """Read the first number after "Score:" in the first line, as in "Score: 6.", "Score: 7/10", "Score: 7.5".

    None where there is none or it is off the scale; 0 is off the scale.
    """
    number = SCORE.match(value)
    score = float(number[1]) if number else 0.0
    return score if 0 < score <= MAX_SCORE else None


def feedback_of(value: str) -> str:
    """Return what follows the first "Feedback:"; where there is none, everything but a first line with the score."""
    _, marker, feedback = value.partition("Feedback:")
    if marker:
        return clean(feedback)
    first_line, _, rest = value.lstrip().partition("\n")
    return clean(rest if "Score:" in first_line else value)
