r"""Parse the texts of a FIRE row: a student's answer, a teacher's score and feedback.

student  "Thought: There is no engine.\nAnswer: Two bicycles are leaning on the wall.\n\n"
teacher  "Score: 9.\nFeedback: Good, kind and number are right now.\n"

Markers are also read in bold, in lower case and with a full-width colon.
A marker at the start of a line wins over one inside a line, which may be part of the thought.
"""

import re

from vlm_sft.datasets.texts import clean, given

COLON = r"[ \t]*+[:\uff1a]"
MAX_SCORE = 10  # the teacher's scale is 1 to 10; a 0 marks a score that FIRE's authors could not read


def _marker(word: str) -> str:
    """Return the pattern of a marker: **Answer:**, **Answer**:, or the start of a line that is bold as a whole."""
    return rf"(\*{{0,3}}){word}(?:\1{COLON}|{COLON}\1|(){COLON})"


def _markers(word: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of a marker at the start of a line (after # or >), and anywhere."""
    first = rf"^[ \t]*+(?:[#>-]++[ \t]*+)?{_marker(word)}"
    return re.compile(first, re.IGNORECASE | re.MULTILINE), re.compile(_marker(word), re.IGNORECASE)


ANSWER, FEEDBACK = _markers("answer"), _markers("feedback")
_SCORE, _FEEDBACK = (rf"{word}\*{{0,3}}{COLON}" for word in ("score", "feedback"))
SCORE_MARKER = re.compile(_SCORE, re.IGNORECASE)
# The first number after "Score:" in the first line that is not blank, before any "Feedback:"; -3 is no score.
# Possessive quantifiers (*+) prevent backtracking.
SCORE = re.compile(
    rf"\s*+(?:(?!{_SCORE}|{_FEEDBACK})[^\n])*+{_SCORE}(?:(?!{_FEEDBACK})[^\n\d])*+(?<![-\u2212])(\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
PLAIN_SCORE = re.compile(r"Score: (\d+)\.?\n")  # as almost every row has it; three times as fast


def answer_of(value: str) -> str:
    """Return the text after "Answer:", without the thought before it; without this marker, the whole text.

    Empty where there is no answer, or a pandas export wrote nan for it.
    """
    thought, found, answer = value.partition("\nAnswer:")
    if found and thought.startswith("Thought:") and "\n" not in thought:
        return clean(answer)
    after = _after(ANSWER, value)
    return clean(given(value) if after is None else after)


def score_of(value: str) -> float | None:
    """Return the first number after "Score:" in the first line, as in "Score: 6.", "Score: 7/10", "Score: 7.5".

    None if there is none or it is not on the scale; 0 is not on the scale.
    """
    number = PLAIN_SCORE.match(value) or SCORE.match(value)
    score = float(number[1]) if number else 0.0
    return score if 0 < score <= MAX_SCORE else None


def feedback_of(value: str) -> str:
    """Return the text after "Feedback:"; without this marker, all text except a first line with the score."""
    first_line, found, feedback = value.partition("\nFeedback:")
    if found and first_line.startswith("Score:") and "\n" not in first_line:
        return clean(feedback)
    after = _after(FEEDBACK, value)
    if after is not None:
        return clean(after)
    first_line, _, rest = value.lstrip().partition("\n")
    return clean(rest if SCORE_MARKER.search(first_line) else given(value))


def _after(marker: tuple[re.Pattern[str], re.Pattern[str]], value: str) -> str | None:
    """Return the text after a marker, without the stars that close a line that is bold as a whole; None without it."""
    found = marker[0].search(value) or marker[1].search(value)
    if found is None:
        return None
    text = value[found.end() :]
    return text if found[2] is None else text.rstrip().removesuffix(found[1])
