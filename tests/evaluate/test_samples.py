"""Rows of ms-swift -> samples, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.samples import digest, read_samples

USER, ANSWER = {"role": "user", "content": "Which way?"}, {"role": "assistant", "content": "Down. "}


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_row_is_one_question_with_its_last_answer_as_reference(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    row = {"messages": [{"role": "user", "content": "<image>Which way?"}, ANSWER], "images": [str(tmp_path / "a.png")]}
    name = write(tmp_path / "rows.jsonl", row, {"messages": [USER, ANSWER, USER, {**ANSWER, "content": "Up."}]})
    first, second = read_samples([name], "last")
    assert (first.id, first.group, first.reference) == ("rows:1", str(tmp_path / "a.png"), "Down.")
    assert first.messages == ({"role": "user", "content": "<image>Which way?"},)
    assert first.images == (str(tmp_path / "a.png"),)
    assert (second.id, second.group, second.reference) == ("rows:2", "rows:2", "Up.")
    assert [m["content"] for m in second.messages] == ["Which way?", "Down. ", "Which way?"]


def test_each_turn_of_a_dialogue_is_asked_with_the_turns_before_it(tmp_path: Path) -> None:
    masked = {**ANSWER, "loss": False}
    name = write(
        tmp_path / "rows.jsonl", {"messages": [USER, ANSWER, USER, ANSWER]}, {"messages": [USER, masked, USER, ANSWER]}
    )
    samples = read_samples([name], "each")
    assert [(sample.id, sample.group, len(sample.messages)) for sample in samples] == [
        ("rows:1.1", "rows:1", 1),
        ("rows:1.2", "rows:1", 3),
        ("rows:2.2", "rows:2", 3),
    ]


def test_a_whole_row_has_its_answers_for_the_loss(tmp_path: Path) -> None:
    row = {"messages": [USER, {**ANSWER, "loss": False}, USER, ANSWER]}
    (sample,) = read_samples([write(tmp_path / "rows.jsonl", row)], "none")
    assert list(sample.messages) == row["messages"]


def test_files_of_one_name_have_ids_of_their_own_and_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    names = []
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        names.append(write(tmp_path / folder / "rows.jsonl", *[{"messages": [USER, ANSWER]}] * 3))
    assert [sample.id for sample in read_samples([names[0], f"{names[1]}#1"], "last")] == [
        "0-rows:1",
        "0-rows:2",
        "0-rows:3",
        "1-rows:1",
    ]


def test_other_forms_are_read_as_ms_swift_reads_them(tmp_path: Path) -> None:
    name = write(tmp_path / "alpaca.jsonl", {"instruction": "Which way?", "input": "", "output": "Down."})
    (sample,) = read_samples([name], "last")
    assert (sample.messages[-1]["content"], sample.reference) == ("Which way?", "Down.")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": [USER]}, "rows.jsonl:1: the last message is of user, need an assistant's answer"),
        ({"messages": []}, "rows.jsonl:1: the last message is of no message"),
        (
            {"messages": [{"role": "user"}, ANSWER]},
            "rows.jsonl:1: messages: got {'role': 'user'}, need a role and a te",
        ),
        ({"messages": [USER, ANSWER], "images": ["/no.png"]}, "rows.jsonl:1: images: /no.png is missing; prepare"),
        ({"messages": [USER, ANSWER], "images": [3]}, "rows.jsonl:1: images: got '3', need a path"),
        (
            {"messages": [{"role": "user", "content": "<image>"}, ANSWER]},
            "rows.jsonl:1: 0 images for 1 <image> tags; run `vlm-sft check`",
        ),
    ],
)
def test_a_row_without_what_is_needed_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_samples([write(tmp_path / "rows.jsonl", row)], "last")
    assert message in error.value.message
    assert error.value.exit_code == 42


def test_missing_empty_and_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    for name in ("empty.jsonl", "no.jsonl"):
        with pytest.raises(ConfigError, match=f"val_dataset: .*{name} is missing or empty; prepare the data"):
            read_samples([str(tmp_path / name)], "last")
    with pytest.raises(ConfigError, match="val_dataset: not set"):
        read_samples([], "last")
    name = write(tmp_path / "rows.jsonl", {"messages": [USER, ANSWER]})
    with Path(name).open("a") as file:
        file.write("{broken\n")
    with pytest.raises(ConfigError, match=r"rows\.jsonl:2: got b'\{broken\\n', need a JSON object with messages"):
        read_samples([name], "last")


def test_the_digest_follows_what_is_asked_and_not_where_it_lies(tmp_path: Path) -> None:
    digests = []
    for folder, picture, answer in (("x", b"a", "Up."), ("y", b"a", "Up."), ("z", b"b", "Up."), ("w", b"a", "No.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(picture)
        messages = [{"role": "user", "content": "<image>?"}, {"role": "assistant", "content": answer}]
        images = [str(tmp_path / folder / "a.png")]
        name = write(tmp_path / folder / "rows.jsonl", {"messages": messages, "images": images})
        digests.append(digest(read_samples([name], "last")))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
