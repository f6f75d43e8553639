"""Forms of rows, recognised by their keys, so that the wrong command for a file is refused with the right one."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from vlm_sft.datasets.conversation import Drop, Outcome
from vlm_sft.errors import UserError

if TYPE_CHECKING:  # readers use this module
    from vlm_sft.datasets.readers.source import SplitInput

# Keys that all rows of a form have, what it is, and the dataset whose command reads it.
FORMS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"messages"}), "ms-swift's own form", "jsonl"),
    (frozenset({"prompt", "completion"}), "pairs of prompt and completion", "jsonl"),
    (frozenset({"prompt", "chosen", "rejected"}), "preference pairs", "jsonl"),
    (frozenset({"question", "conversations"}), "FIRE's form", "fire"),
    (frozenset({"images", "problem", "answer"}), "Geometry3K's form", "geo3k"),
    (frozenset({"question", "choices", "correct_answer", "image"}), "Robo2VLM's form", "robo2vlm"),
    (frozenset({"message_tree_id", "role"}), "messages of oasst1", "oasst1"),
    (frozenset({"instruction", "output"}), "Alpaca's form", "alpaca"),
)


def reader_of(columns: Collection[str]) -> str:
    """Return the dataset whose command reads rows with these keys; empty if the form is unknown."""
    return next((reader for keys, _, reader in FORMS if keys <= set(columns)), "")


def refuse_other_form(found: "SplitInput", dataset: str, rows: Sequence[object], outcomes: Sequence[Outcome]) -> None:
    """Check the first rows of a file, so that a file of another form is not read to its end for nothing.

    Raises:
        UserError: no row can be used, and all objects have the form of another dataset, or none has the columns.
    """
    objects = [row for row in rows if isinstance(row, dict)]
    drops = [outcome for outcome in outcomes if isinstance(outcome, Drop)]
    if not objects or len(drops) < len(outcomes):
        return
    path = found.files[0] if found.files else found.identity.get("dataset", "the input")
    if {drop.reason for drop in drops} <= {"column_missing", "shape_unknown"}:
        raise UserError(
            f"{path}: {drops[0].reason}, {drops[0].detail}; name the columns with --map, for example "
            "prompt=question,completion=answer"
        )
    for keys, form, reader in FORMS:
        if all(keys <= row.keys() for row in objects):
            if reader != dataset and not (reader == "jsonl" and dataset in ("csv", "hub")):  # which read the same rows
                raise UserError(
                    f"{path}: the rows have {form} ({', '.join(sorted(keys))}), which `vlm-sft prepare {dataset}` "
                    f"does not read; use `vlm-sft prepare {reader} --input {path}`"
                )
            return
