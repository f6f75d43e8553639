"""`--map`: which mappings are refused at once, and what a mapped row is."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from vlm_sft.cli import main
from vlm_sft.datasets.conversation import Conversation, Drop, Turn
from vlm_sft.datasets.generic.columns import adapter


def parse(row: Any, **mapping: str) -> Any:
    (outcome,) = adapter(mapping).outcomes([row])
    return outcome


ROW = {"id": 7, "qa": {"q": "Hi", "a": {"text": "Hello."}}, "a.b": "Dotted.", "img": {"bytes": b"png", "path": None}}


def test_nested_columns_and_a_column_with_a_dot_in_its_name() -> None:
    assert parse(ROW, prompt="qa.q", completion="qa.a.text", images="img") == Conversation(
        "7", "rows", (b"png",), "Hi", (Turn("Hello."),)
    )
    assert parse(ROW, text="a.b") == Conversation("7", "rows", (), "", (Turn("Dotted."),))


@pytest.mark.parametrize("column", ["nothing", "qa.none", "qa.q.more", "qa.a.text.0", "."])
def test_a_row_without_the_column_is_dropped_with_the_columns_that_it_has(column: str) -> None:
    assert parse(ROW, text=column) == Drop("column_missing", f"{column}; the row has id, qa, a.b, img")


def test_only_mapped_columns_are_read() -> None:
    row = {"messages": [], "image": 5, "system": "Not used.", "question": "Hi", "answer": "Hello."}
    assert parse(row, prompt="question", completion="answer") == Conversation("", "rows", (), "Hi", (Turn("Hello."),))


def test_a_mapped_history_comes_before_the_prompt() -> None:
    row = {"ask": "And now?", "say": "Rain.", "before": '[["Weather?", "Sun."]]', "history": [["Not", "used."]]}
    turns = (Turn("Sun.", "And now?"), Turn("Rain."))
    mapped = parse(row, prompt="ask", completion="say", history="before")
    assert mapped == Conversation("", "rows", (), "Weather?", turns)


@pytest.mark.parametrize("dataset", ["jsonl", "csv", "hub"])
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            "question",
            "got 'question'; need NAME=COLUMN with NAME one of messages, prompt, completion, instruction, output, ",
        ),
        ("prompt=", "got 'prompt='; need NAME=COLUMN with NAME one of "),
        ("question=a", "got 'question=a'; need NAME=COLUMN with NAME one of "),
        ("prompt=a,prompt=b", "prompt is given twice: a and b."),
        ("images=a", "got images; need messages, or prompt and completion, or "),
        ("prompt=a,images=b", "got prompt, images; need messages, or "),
        ("text=a,prompt=b,completion=c", "got text, prompt, completion; need messages, or "),
        ("instruction=a,input=b", "got instruction, input; need messages, or "),
    ],
)
def test_a_mapping_without_a_whole_shape_is_refused_at_once(
    dataset: str, given: str, problem: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(
        main, ["prepare", dataset, "--input", "x", "--output-dir", str(tmp_path), "--map", given]
    )
    assert result.exit_code == 2
    assert f"Invalid value for '--map': {problem}" in result.output


def test_a_column_that_no_row_has_is_an_error_after_the_first_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("question,answer\n" + "a,b\n" * 100)
    given = ["--input", str(tmp_path / "rows.csv"), "--output-dir", str(tmp_path / "out"), "--max-drop-share", "1"]
    result = CliRunner().invoke(main, ["prepare", "csv", *given, "--map", "prompt=question,completion=answr"])
    assert result.exit_code == 1
    assert result.output == (
        f"error: {tmp_path / 'rows.csv'}: column_missing, answr; the row has question, answer; "
        "name the columns with --map, for example prompt=question,completion=answer\n"
    )
    (tmp_path / "rows.csv").write_text("q,a\n" + "a,b\n" * 100)
    result = CliRunner().invoke(main, ["prepare", "csv", *given])
    assert "rows.csv: shape_unknown, keys: q, a; name the columns with --map" in result.output
