r"""Alpaca row -> Conversation.

    {"instruction": "Put the words in order.", "input": "pear, apple", "output": "apple, pear", "text": "Below is ..."}

Without an input the field is empty, missing, null, NaN (CSV and Parquet by pandas), or says "<noinput>" or "No input".
A number is an input too.
"""

import hashlib

from vlm_sft.datasets.conversation import LARGEST_ID, Conversation, Drop, Turn, id_of
from vlm_sft.datasets.texts import given

NO_INPUT = frozenset({"<noinput>", "noinput", "no input", "no input.", "n/a", "<no input>"})
SOURCE = "alpaca"


def parse(row: object) -> Conversation | Drop:
    """Read one row. Never raises, whatever JSON value the row is."""
    if not isinstance(row, dict):
        return Drop("row_not_an_object", type(row).__name__)
    instruction, output = given(row.get("instruction")).strip(), given(row.get("output")).strip()
    if not instruction:
        return Drop("no_question", "instruction is " + _kind(row.get("instruction")))
    if not output:
        return Drop("empty_answer", "output is " + _kind(row.get("output")))
    below = _input(row.get("input"))
    if below is None:
        return Drop("turn_malformed", "input is " + _kind(row.get("input")))
    question = f"{instruction}\n{below}" if below else instruction
    row_id = id_of(row) or hashlib.sha256(f"{question}\0{output}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Conversation(row_id, SOURCE, (), question, (Turn(output),))


def _input(value: object) -> str | None:
    """Return the text of the input, empty where the row has none; None if it is neither a text nor a number."""
    if isinstance(value, str):
        text = given(value).strip()
        return "" if text.lower() in NO_INPUT else text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "" if value != value else str(value) if abs(value) < LARGEST_ID else None  # NaN differs from itself
    return "" if value is None else None


def _kind(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else type(value).__name__
