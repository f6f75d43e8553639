r"""Robo2VLM-1 row -> Conversation.

A row, shortened; `choices` is the text of a Python list, `correct_answer` counts from 0:

    {"id": "droid_0007_q12", "question": "Which way should the gripper move next?",
     "choices": "['Up', 'Down', \"None of the above, it's done\"]", "correct_answer": 1,
     "image": {"bytes": b"...", "path": None}}

The question becomes "Which way ...?\nChoices:\nA. Up\nB. Down\nC. None ...", the answer "B. Down".
"""

import re

from vlm_sft.datasets.conversation import Conversation, Drop, Turn, id_of
from vlm_sft.datasets.image_field import images_of
from vlm_sft.datasets.robo2vlm.choices import LETTERS, choices_of, right_choice
from vlm_sft.datasets.texts import clean, given

SOURCE = re.compile(r"([A-Za-z][A-Za-z-]{0,40}\d{0,8})_")  # droid_, fractal20220817_; no hash, no number
NO_SOURCE = "(no source)"


def parse(row: object) -> Conversation | Drop:
    """Read one row. Never raises, whatever the row is."""
    if not isinstance(row, dict):
        return Drop("row_not_an_object", type(row).__name__)
    images = images_of(row.get("image"))
    if not images:
        return Drop("no_image", f"image is {type(row.get('image')).__name__}")
    question = clean(given(row.get("question")))
    if not question:
        return Drop("no_question", f"question is {type(row.get('question')).__name__}")
    choices = choices_of(row.get("choices"))
    if isinstance(choices, Drop):
        return choices
    right = right_choice(row.get("correct_answer"), choices)
    if isinstance(right, Drop):
        return right
    lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False)]
    row_id = id_of(row)
    source = SOURCE.match(row_id)
    return Conversation(
        row_id,
        source[1] if source else NO_SOURCE,
        images,
        "\n".join((question, "Choices:", *lines)),
        (Turn(lines[right]),),
    )
