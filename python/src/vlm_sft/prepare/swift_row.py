"""Conversation -> samples as ms-swift reads them: `{"id", "messages", "images"}`. Independent of datasets.

A conversation with answers a1..aT is written in one of two layouts:

- `trajectory`: one sample, with "loss" true on every answer that is trained on;
- `steps`: one sample for each answer that is trained on, with "loss" true only on its last answer.

Both contain the same terms p(answer | images, question, earlier answers and replies), so they have the same summed loss
and gradient, unless history is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from vlm_sft.datasets.conversation import Conversation, Turn
from vlm_sft.datasets.texts import IMAGE_TAG

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
    max_history_rounds: int = 1000  # earlier answers with their replies that an answer sees; no dialogue is longer


def samples(conversation: Conversation, images: Sequence[str], form: SampleFormat) -> list[Sample]:
    """Return one conversation about `images` (absolute paths) as samples; an empty list if no answer is trained on.

    An answer sees at most `form.max_history_rounds` rounds before it. If this cuts history (see `is_cut`), `steps`
    keeps every answer and shortens its history; `trajectory` loses its earliest rounds with their answers.
    """
    turns = conversation.turns
    trained = trained_turns(conversation, form.loss)
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
        shown = _shown(conversation, images, start, end) if conversation.tags_in_text else list(images)
        written.append({"id": conversation.row_id, "messages": messages, "images": shown})
    return written


def trained_turns(conversation: Conversation, loss: Loss) -> Sequence[int]:
    """Return the indices of the answers that are trained on: those that both `loss` and the row choose."""
    turns = conversation.turns
    chosen = trained_answers(len(turns), loss)
    return [number for number in chosen if turns[number].trained] if excludes_answers(turns) else chosen


def excludes_answers(turns: Sequence[Turn]) -> bool:
    """True if the row itself excludes an answer from the loss."""
    for turn in turns:  # noqa: SIM110  three times as fast as any(), for every row
        if not turn.trained:
            return True
    return False


def trained_answers(answers: int, loss: Loss) -> range:
    """Return the indices of the answers that `loss` chooses."""
    if loss == "all":
        return range(answers)
    return range(answers - 1, answers) if loss == "last" else range(1, answers)


def _shown(conversation: Conversation, images: Sequence[str], start: int, end: int) -> list[str]:
    """Return the images whose tags are in the question, and in the rounds from `start` to the answer `end`."""
    rounds = [turn.answer + turn.reply for turn in conversation.turns]
    rounds[end] = conversation.turns[end].answer
    left, shown = iter(images), []
    for number, text in enumerate([conversation.question, *rounds[: end + 1]], start=-1):
        of_text = list(islice(left, text.count(IMAGE_TAG)))
        if number < 0 or number >= start:
            shown += of_text
    return shown


def is_cut(conversation: Conversation, form: SampleFormat) -> bool:
    """True if the last answer has more rounds before it than it may see: the two layouts then differ."""
    return len(conversation.turns) - 1 > form.max_history_rounds


def _opening(conversation: Conversation, images: Sequence[str], system_prompt: str) -> list[Sample]:
    """Return the messages before the first answer; a text that is trained on as a whole has none."""
    system = conversation.system or system_prompt
    tags = IMAGE_TAG * len(images) + "\n" if images and not conversation.tags_in_text else ""
    opening = [{"role": "system", "content": system}] if system else []
    if tags or conversation.question:
        opening.append({"role": "user", "content": tags + conversation.question})
    return opening


def _reply_text(turn: Turn, feedback: FeedbackText) -> str:
    if feedback == "text" or turn.score is None:
        return turn.reply
    return f"Your answer scores {turn.score:g} out of 10. {turn.reply}"
