r"""Volcano's three prompts, each the question of a row with one answer. {q} is a question, {a} an answer to it.

critique  "Generate the feedback ... image.\nQuestion: {q}\nInitial answer: {a}" -> the feedback {f}
revise    "Adjust the initial response ... image.\nQuestion: {q}\nInitial answer: {a}\nFeedback: {f}" -> a better answer
decide    "{q}\nA. {a}\nB. {better}\nAnswer with ... directly." -> "A" or "B"

A text may itself contain a marker, such as a list of options. So rows are compared as wholes where that is possible,
and split only to take the texts out.
"""

import re
from dataclasses import dataclass
from typing import Literal

from vlm_sft.datasets.conversation import Conversation, Drop
from vlm_sft.datasets.volcano.rows import parse

CRITIQUE = "Generate the feedback given initial answer referring to question and image."
REVISE = "Adjust the initial response considering the feedback and image."
DECIDE = "Answer with the option's letter from the given choices directly."
QUESTION, ANSWER, FEEDBACK = "Question:", "\nInitial answer:", "\nFeedback:"
THIRD_OPTION = "\nC. "
# "B", "b", "B.", "(B)", "B. There are three boats."; but not "A boat" or "Both".
LETTER = re.compile(r"\(?([AB])(?:[.):]+(?:\s.*)?)?", re.IGNORECASE | re.DOTALL)

Kind = Literal["critique", "revise", "decide"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A row with one of the prompts."""

    kind: Kind
    conversation: Conversation

    @property
    def image(self) -> str:
        """Return the path of the image."""
        return str(self.conversation.images[0])

    @property
    def text(self) -> str:
        """Return the whole prompt."""
        return self.conversation.question

    @property
    def answer(self) -> str:
        """Return the feedback, the better answer or the letter."""
        return self.conversation.turns[0].answer


def read(row: object) -> Prompt | Drop:
    """Read a row with one of the prompts; any other row is dropped by name. Never raises."""
    conversation = parse(row)
    if isinstance(conversation, Drop):
        return conversation
    kind = _kind(conversation.question) if len(conversation.turns) == 1 else None
    if kind is None:
        return Drop("plain_row")
    return Prompt(kind, conversation) if conversation.images else Drop("no_image", f"a {kind} prompt without an image")


def _kind(prompt: str) -> Kind | None:
    if prompt.startswith(CRITIQUE):
        return "critique"
    if prompt.startswith(REVISE):
        return "revise"
    return "decide" if prompt.endswith(DECIDE) else None


def answered(prompt: str, header: str) -> tuple[str, str] | Drop:
    """Return the question and the answer of a critique, or of a revise prompt without its feedback."""
    question, marker, answer = prompt.removeprefix(header).lstrip().rpartition(ANSWER)
    if not marker or not question.startswith(QUESTION):
        return Drop("prompt_malformed", f"no {QUESTION} or {ANSWER.strip()} in {prompt[-80:]!r}")
    question, answer = question.removeprefix(QUESTION).strip(), answer.strip()
    if not question:
        return Drop("no_question", prompt[:120])
    return (question, answer) if answer else Drop("empty_answer", prompt[-80:])


def criticised(prompt: str) -> tuple[str, str, str] | Drop:
    """Return the question, the answer and the feedback of a revise prompt, whose feedback comes after the answer."""
    place = prompt.find(FEEDBACK, prompt.find(ANSWER))
    if place < 0:
        return Drop("prompt_malformed", f"no {FEEDBACK.strip()} in {prompt[-80:]!r}")
    texts = answered(prompt[:place], REVISE)
    if isinstance(texts, Drop):
        return texts
    feedback = prompt[place:].removeprefix(FEEDBACK).strip()
    return (*texts, feedback) if feedback else Drop("empty_feedback", prompt[-80:])


def letter_of(answer: str) -> str | None:
    """Return A or B if the answer is this letter, and not a word that contains it."""
    letter = LETTER.fullmatch(answer)
    return letter[1].upper() if letter else None


def folded(text: str) -> str:
    """Return the text with single spaces, for comparing: the same text ends differently inside and outside a prompt."""
    return " ".join(text.split())
