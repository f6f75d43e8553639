"""Conversation -> samples as ms-swift reads them: `{"messages": [...], "images": [...]}`. Knows no data set.

A conversation with answers a1..aT is written in one of two layouts. `trajectory`: one sample, with "loss" true on every
answer that is imitated. `steps`: one sample for each answer that is imitated, with "loss" true on its last answer only.
Both hold the same terms p(answer | image, question, earlier answers and feedback), so they have the same summed loss
and gradient, as long as no history is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vlm_sft.datasets.conversation import Conversation, Turn

Layout = Literal["trajectory", "steps"]
Loss = Literal["all", "last", "revisions"]
FeedbackText = Literal["text", "score-and-text"]
LAYOUTS: tuple[Layout, ...] = ("trajectory", "steps")
Sample = dict[str, Any]  # one line of the JSONL file


@dataclass(frozen=True, slots=True)
class Form:
    """How conversations are written."""

    layout: Layout = "trajectory"
    loss: Loss = "all"
    feedback: FeedbackText = "text"
    system_prompt: str = ""
    max_history_rounds: int = 6  # answers with their feedback that an imitated answer sees before it


def samples(conversation: Conversation, images: Sequence[str], form: Form) -> list[Sample]:
    """Write one conversation about `images` (absolute paths) as samples; an empty list when no answer is imitated.

    An answer sees at most `form.max_history_rounds` rounds before it. Where that cuts (see `is_cut`), steps keep every
    answer and shorten its history, while the one sample of a trajectory loses its earliest rounds, answers included.
    """
    turns = conversation.turns
    imitated = imitated_answers(len(turns), form.loss)
    whole = form.layout == "trajectory"
    remarks = [{"role": "user", "content": _feedback_text(turn, form.feedback)} for turn in turns[:-1]]
    opening = _opening(conversation, images, form.system_prompt)
    written = []
    for end in imitated[-1:] if whole else imitated:
        start = max(0, end - form.max_history_rounds)
        messages = list(opening)
        for number in range(start, end):
            # An answer whose feedback was cut away is no revision of anything the model sees.
            loss = whole and number in imitated and (form.loss == "all" or number > start)
            messages.append({"role": "assistant", "content": turns[number].answer, "loss": loss})
            messages.append(remarks[number])
        messages.append({"role": "assistant", "content": turns[end].answer, "loss": True})
        written.append({"messages": messages, "images": list(images)})
    return written


def imitated_answers(answers: int, loss: Loss) -> range:
    """Numbers, from 0, of the answers that are imitated."""
    if loss == "all":
        return range(answers)
    return range(answers - 1, answers) if loss == "last" else range(1, answers)


def is_cut(conversation: Conversation, form: Form) -> bool:
    """True when an imitated answer has more rounds before it than it may see: the two layouts then differ."""
    return len(conversation.turns) - 1 > form.max_history_rounds


def _opening(conversation: Conversation, images: Sequence[str], system_prompt: str) -> list[Sample]:
    tags = "<image>" * len(images) + "\n" if images else ""
    user = {"role": "user", "content": tags + conversation.question}
    return [{"role": "system", "content": system_prompt}, user] if system_prompt else [user]


def _feedback_text(turn: Turn, feedback: FeedbackText) -> str:
    if feedback == "text" or turn.score is None:
        return turn.feedback
    return f"Your answer scores {turn.score:g} out of 10. {turn.feedback}"
