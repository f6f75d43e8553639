r"""Alpaca row -> Conversation.

    {"instruction": "Put the words in order.", "input": "pear, apple", "output": "apple, pear", "text": "Below is ..."}

Without an input the field is empty, missing, null, NaN (CSV and Parquet by pandas), or says "<noinput>" or "No input".
"""

import hashlib

from vlm_sft.datasets.conversation import Conversation, Drop, Turn, id_of
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
    below = given(row.get("input")).strip()
    question = f"{instruction}\n{below}" if below and below.lower() not in NO_INPUT else instruction
    row_id = id_of(row) or hashlib.sha256(f"{question}\0{output}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Conversation(row_id, SOURCE, (), question, (Turn(output),))


def _kind(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else type(value).__name__
