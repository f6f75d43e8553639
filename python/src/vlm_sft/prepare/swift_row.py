"""Conversation -> samples as ms-swift reads them: `{"messages": [...], "images": [...]}`. Independent of datasets.

A conversation with answers a1..aT is written in one of two layouts:

- `trajectory`: one sample, with "loss" true on every answer that is trained on;
- `steps`: one sample for each answer that is trained on, with "loss" true only on its last answer.

Both contain the same terms p(answer | images, question, earlier answers and replies), so they have the same summed loss
and gradient, unless history is cut.
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
class SampleFormat:
    """How conversations are written as samples."""

    layout: Layout = "trajectory"
    loss: Loss = "all"
    feedback: FeedbackText = "text"
    system_prompt: str = ""
    max_history_rounds: int = 6  # earlier answers with their replies that an answer sees


def samples(conversation: Conversation, images: Sequence[str], form: SampleFormat) -> list[Sample]:
    """Return one conversation about `images` (absolute paths) as samples; an empty list if no answer is trained on.

    An answer sees at most `form.max_history_rounds` rounds before it. If this cuts history (see `is_cut`), `steps`
    keeps every answer and shortens its history; `trajectory` loses its earliest rounds with their answers.
    """
    turns = conversation.turns
    trained = trained_answers(len(turns), form.loss)
    whole = form.layout == "trajectory"
    replies = [{"role": "user", "content": _reply_text(turn, form.feedback)} for turn in turns[:-1]]
    opening = _opening(conversation, images, form.system_prompt)
    written = []
    for end in trained[-1:] if whole else trained:
        start = max(0, end - form.max_history_rounds)
        messages = list(opening)
        for number in range(start, end):
            # An answer without the reply before it is not a revision of anything that the model sees.
            loss = whole and number in trained and (form.loss == "all" or number > start)
            messages.append({"role": "assistant", "content": turns[number].answer, "loss": loss})
            messages.append(replies[number])
        messages.append({"role": "assistant", "content": turns[end].answer, "loss": True})
        written.append({"messages": messages, "images": list(images)})
    return written


def trained_answers(answers: int, loss: Loss) -> range:
    """Return the indices of the answers that are trained on."""
    if loss == "all":
        return range(answers)
    return range(answers - 1, answers) if loss == "last" else range(1, answers)


def is_cut(conversation: Conversation, form: SampleFormat) -> bool:
    """True if the last answer has more rounds before it than it may see: the two layouts then differ."""
    return len(conversation.turns) - 1 > form.max_history_rounds


def _opening(conversation: Conversation, images: Sequence[str], system_prompt: str) -> list[Sample]:
    tags = "<image>" * len(images) + "\n" if images else ""
    user = {"role": "user", "content": tags + conversation.question}
    return [{"role": "system", "content": system_prompt}, user] if system_prompt else [user]


def _reply_text(turn: Turn, feedback: FeedbackText) -> str:
    if feedback == "text" or turn.score is None:
        return turn.reply
    return f"Your answer scores {turn.score:g} out of 10. {turn.reply}"
