"""What a row of somebody's own data has beside its question and answer: earlier rounds, and columns not read here."""

from collections.abc import Mapping

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.list_text import list_of
from vlm_sft.datasets.texts import given

# Columns that change what ms-swift's own reader trains on.
UNREAD = ("videos", "video", "audios", "audio", "objects", "tools", "chat_template_kwargs")
EMPTY: tuple[object, ...] = (None, "", [], {}, "[]", "{}")


def unread(fields: Mapping[str, object]) -> Drop | None:
    """Return why a row must not be written without one of its columns, or None."""
    for name in UNREAD:
        value = fields.get(name)
        if value not in EMPTY and not (isinstance(value, dict) and all(part in EMPTY for part in value.values())):
            return Drop("column_unread", name)
    return None


def earlier(history: object) -> list[str] | Drop:
    """Return the texts of the rounds before the question, [["question", "answer"], ...] or this list as a text."""
    rounds = list_of(history) if isinstance(history, str) else history
    if not isinstance(rounds, list):
        return Drop("turn_malformed", f"history is {type(history).__name__}")
    texts: list[str] = []
    for one in rounds:
        if not isinstance(one, list | tuple) or len(one) != 2 or not all(isinstance(text, str) for text in one):
            return Drop("turn_malformed", f"round {len(texts) // 2 + 1} of history is no pair of texts")
        texts += (given(text).strip() for text in one)
    return texts
