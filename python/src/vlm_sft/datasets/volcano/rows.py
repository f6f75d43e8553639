r"""Volcano row -> Conversation.

A row, shortened:

    {"id": "volc-17", "image": "coco/train2017/000000111222.jpg", "conversations": [
      {"from": "human", "value": "<image>\nAdjust the initial response ...\nQuestion: How many boats ..."},
      {"from": "gpt", "value": "There are three boats on the lake."}]}

Rows without `image` are conversations about texts, with the source `text`. As in LLaVA's training code, the image comes
first wherever its tag is, an opening entry of the model is left out, and a last question without an answer is not
trained on.
"""

import re
from collections.abc import Sequence

from vlm_sft.datasets.conversation import Conversation, Drop, Turn, id_of
from vlm_sft.datasets.image_path import first_folder, normalised
from vlm_sft.datasets.texts import IMAGE_TAG, clean

HUMAN, MODEL = "human", "gpt"
BARE_COCO = re.compile(r"\d{12}\.jpg")


def parse(row: object) -> Conversation | Drop:
    """Read one row. Never raises, whatever JSON value the row is."""
    if not isinstance(row, dict):
        return Drop("row_not_an_object", type(row).__name__)
    image = row.get("image")
    if not isinstance(image, str | None):
        return Drop("no_image", f"image is {type(image).__name__}")
    image = normalised((image or "").strip())
    texts = _texts(row.get("conversations"))
    if isinstance(texts, Drop):
        return texts
    if image:
        texts = [clean(text) for text in texts]
    elif any(IMAGE_TAG in text for text in texts):
        return Drop("image_tag_in_text", "the row has no image")
    else:
        texts = [text.strip() for text in texts]
    question, *rest = texts
    if not question:
        return Drop("no_question")
    answers, replies = rest[0::2], [*rest[1::2], ""]
    if "" in answers:
        return Drop("empty_answer", f"answer {answers.index('') + 1}")
    if "" in replies[: len(answers) - 1]:
        return Drop("empty_feedback", f"question {replies.index('') + 2}")
    turns = tuple(map(Turn, answers, replies))
    return Conversation(id_of(row), source_of(image), (image,) if image else (), question, turns)


def source_of(image: str) -> str:
    """Return where the image comes from: the first folder of its path."""
    if BARE_COCO.fullmatch(image):
        return "coco"
    return first_folder(image) if image else "text"


def _texts(entries: object) -> Sequence[str] | Drop:
    """Return the texts of the human and the model in turn, the human first, at least one of each."""
    if not isinstance(entries, list):
        return Drop("no_answers", f"conversations is {type(entries).__name__}")
    speakers, texts = [], []
    for number, entry in enumerate(entries):
        speaker, text = (entry.get("from"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if speaker not in (HUMAN, MODEL) or not isinstance(text, str):
            return Drop("turn_malformed", f"entry {number} is {_kind(entry)}"[:120])
        speakers.append(speaker)
        texts.append(text)
    if speakers[:1] == [MODEL]:
        del speakers[0], texts[0]
    if len(texts) < 2:  # a question and an answer
        return Drop("no_answers")
    if speakers != ([HUMAN, MODEL] * len(speakers))[: len(speakers)]:
        return Drop("roles_do_not_alternate", " ".join(speakers)[:80])
    return texts


def _kind(value: object) -> str:
    """Describe a value without repr, which fails on deep nesting."""
    return "an object with " + ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
