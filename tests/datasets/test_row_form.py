"""A file of another form is refused once, with the command that reads it."""

from pathlib import Path
from typing import Any

import pytest
from vlm_sft.datasets.conversation import Conversation, Drop, Turn
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.datasets.row_form import refuse_other_form
from vlm_sft.errors import UserError

DROP = Drop("no_image")
USABLE = Conversation("1", "web", (), "q", (Turn("a"),))
SWIFT = {"messages": [], "images": []}


@pytest.mark.parametrize(
    ("row", "form", "reader"),
    [
        (SWIFT, "ms-swift's own form (messages)", "jsonl"),
        ({"prompt": "", "completion": ""}, "pairs of prompt and completion (completion, prompt)", "jsonl"),
        ({"instruction": "", "input": "", "output": ""}, "Alpaca's form (instruction, output)", "alpaca"),
    ],
)
def test_the_error_names_the_form_and_the_command(row: dict[str, Any], form: str, reader: str) -> None:
    with pytest.raises(UserError) as raised:
        refuse_other_form(SplitInput("train", (Path("/x.jsonl"),), {}), "fire", [row, DROP, row], [DROP, DROP, DROP])
    assert raised.value.message == (
        f"/x.jsonl: the rows have {form}, which `vlm-sft prepare fire` does not read; "
        f"use `vlm-sft prepare {reader} --input /x.jsonl`"
    )


@pytest.mark.parametrize(
    ("rows", "outcomes"),
    [
        ([], []),
        ([SWIFT, {"id": 1}], [DROP, DROP]),
        ([SWIFT, SWIFT], [DROP, USABLE]),
        ([{"question": "", "conversations": []}], [DROP]),
        ([{"other": 1}, "text"], [DROP, DROP]),
        ([DROP], [DROP]),
    ],
)
def test_rows_that_may_be_of_the_dataset_are_not_refused(rows: list[Any], outcomes: list[Any]) -> None:
    refuse_other_form(SplitInput("train", (Path("/x.jsonl"),), {}), "fire", rows, outcomes)


@pytest.mark.parametrize("dataset", ["csv", "hub", "jsonl"])
def test_every_command_for_your_own_data_reads_the_same_forms(dataset: str) -> None:
    row = {"prompt": "", "completion": "", "messages": ""}
    refuse_other_form(SplitInput("train", (Path("/x.csv"),), {}), dataset, [row], [Drop("no_question")])


def test_rows_without_the_columns_are_refused_with_the_columns_that_they_have() -> None:
    rows, outcomes = (
        [{"a": 1}, {"b": 1}],
        [Drop("column_missing", "c; the row has a"), Drop("shape_unknown", "keys: b")],
    )
    with pytest.raises(UserError) as raised:
        refuse_other_form(SplitInput("train", (Path("/x.csv"),), {}), "csv", rows, outcomes)
    assert raised.value.message == (
        "/x.csv: column_missing, c; the row has a; name the columns with --map, for example "
        "prompt=question,completion=answer"
    )
