r"""The choices of a question and which of them is right, from untrusted fields.

Choices are the text of a Python list, "['Up', \"It's done\"]", the text of a JSON list, or a list.
"""

import re
import string
from operator import index
from typing import SupportsIndex, cast

import orjson

from vlm_sft.datasets.conversation import LARGEST_ID, Drop
from vlm_sft.datasets.list_text import list_of
from vlm_sft.datasets.texts import clean, given

LETTERS = string.ascii_uppercase
MAX_CHARACTERS = 1 << 16
# A flat list of texts and numbers as Python writes it. Nothing else reaches the parser of Python: no code, no nesting,
# no set, and not numpy's ['Up' 'Down'], which Python reads as one text. Possessive (*+): no backtracking.
_TEXT = r"'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]|\\.)*+\""
_ITEM = rf"\s*+(?:{_TEXT}|[-+]?\d[\d.eE+-]{{0,30}}+|True|False)\s*+"
PYTHON_LIST = re.compile(rf"\s*+\[(?:{_ITEM},)*+(?:{_ITEM}|\s*+)\]\s*+")
LETTER = re.compile(r"[A-Za-z]")
NUMBER = re.compile(r"(-?\d{1,9})(?:\.0)?", re.ASCII)


def choices_of(field: object) -> tuple[str, ...] | Drop:
    """Return the choices, each on one line; a Drop if they are not 2 to 26 texts or numbers, or one is empty."""
    values = _parsed(field) if isinstance(field, str) else field
    if not isinstance(values, list):
        shown = repr(field[:80]) if isinstance(field, str) else type(field).__name__
        return Drop("choices_unreadable", f"choices is {shown}")
    if not 2 <= len(values) <= len(LETTERS):
        return Drop("choices_unreadable", f"{len(values)} choices")
    choices = []
    for letter, value in zip(LETTERS, values, strict=False):
        if not isinstance(value, str | int | float) or (isinstance(value, int) and abs(value) >= LARGEST_ID):
            return Drop("choices_unreadable", f"choice {letter} is {type(value).__name__}")
        choice = " ".join(clean(given(str(value))).split())
        if not choice:
            return Drop("choice_empty", f"choice {letter} is {str(value)[:20]!r}")
        choices.append(choice)
    return tuple(choices)


def _parsed(text: str) -> object:
    """Return the value of a JSON list or of a Python list; None if the text is neither, or too long."""
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return list_of(text) if PYTHON_LIST.fullmatch(text) else None


def right_choice(field: object, choices: tuple[str, ...]) -> int | Drop:
    """Return the index of the right choice from an index, also as text or float, or from a letter.

    A Drop if it is none of them, out of range, or if another choice has the same text.
    """
    number = _number(field)
    if number is None:
        shown = repr(field[:80]) if isinstance(field, str) else type(field).__name__
        return Drop("answer_unreadable", f"correct_answer is {shown}")
    if not 0 <= number < len(choices):
        return Drop("answer_out_of_range", f"correct_answer is {field}, choices are 0 to {len(choices) - 1}"[:120])
    right = choices[number].casefold()
    if [choice.casefold() for choice in choices].count(right) > 1:
        return Drop("answer_ambiguous", f"several choices are {choices[number]!r}"[:120])
    return number


def _number(field: object) -> int | None:
    if isinstance(field, str):
        text = field.strip()
        if LETTER.fullmatch(text):
            return LETTERS.index(text.upper())
        match = NUMBER.fullmatch(text)
        return int(match[1]) if match else None
    if isinstance(field, float):
        return int(field) if field.is_integer() else None
    if isinstance(field, bool):
        return None
    try:
        number = index(cast("SupportsIndex", field))  # numpy's integers are no int
    except TypeError:
        return None
    return number if abs(number) < LARGEST_ID else None
