"""Any JSON value as a row: no crash, and rows_in == written + sum(dropped)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.datasets.conversation import REASONS, Conversation, Drop
from vlm_sft.datasets.fire import FIRE
from vlm_sft.datasets.fire.rows import parse
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.errors import UserError
from vlm_sft.prepare.runner import Preparation
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.swift_row import SampleFormat

GOOD = {"id": 1, "image": "vg/1.jpg", "question": "q", "conversations": [{"role": "student", "value": "a"}]}

text = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    [
        "Answer: a",
        "Thought: t\nAnswer:",
        "Score: 3.\nFeedback: f",
        "Score: 99",
        "<image>",
        "<|im_end|>",
        "coco/1.jpg",
        "../x",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


def mostly(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return likely | values


roles = mostly(st.sampled_from(["student", "teacher", "gpt", "human"]))
entries = mostly(st.fixed_dictionaries({}, optional={"role": roles, "from": roles, "value": mostly(text)}))
question = mostly(st.fixed_dictionaries({}, optional={"value": mostly(text)}))
alternating = st.lists(text, max_size=5).map(
    lambda texts: [{"role": ("student", "teacher")[n % 2], "value": value} for n, value in enumerate(texts)]
)
fields: dict[str, st.SearchStrategy[Any]] = {
    "id": values,
    "image": mostly(text),
    "question": question,
    "conversations": alternating | mostly(st.lists(entries, max_size=5)),
    "raw": mostly(st.fixed_dictionaries({}, optional={"question": question})),
    "student_history": mostly(st.lists(entries, max_size=5)),
    "teacher_history": mostly(st.lists(entries, max_size=2)),
    "scores": mostly(st.lists(values, max_size=3)),
}
likely_rows = st.fixed_dictionaries({}, optional=fields)
forms = st.builds(
    SampleFormat,
    layout=st.sampled_from(["trajectory", "steps"]),
    loss=st.sampled_from(["all", "last", "revisions"]),
    feedback=st.sampled_from(["text", "score-and-text"]),
    max_history_rounds=st.integers(1, 3),
)


@given(mostly(likely_rows))
def test_the_adapter_accepts_any_value(row: Any) -> None:
    parsed = parse(row)
    if isinstance(parsed, Drop):
        assert parsed.reason in REASONS
        return
    assert isinstance(parsed, Conversation)
    assert parsed.question
    assert all(turn.answer for turn in parsed.turns)
    assert all(turn.reply for turn in parsed.turns[:-1])
    assert all(turn.score is None or 0 < turn.score <= 10 for turn in parsed.turns)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("field", ["id", "image", "question", "conversations", "raw", "scores", "teacher_history"])
@pytest.mark.parametrize(
    "odd", [nested(5000), [nested(5000)], {"value": nested(5000)}, 10**5000, True], ids=lambda _: "odd"
)
def test_deep_and_huge_values_do_not_crash(field: str, odd: Any) -> None:
    parsed = parse(GOOD | {field: odd})
    assert isinstance(parsed, Drop) == (field in {"image", "question", "conversations"})
    assert isinstance(parse(GOOD | {"conversations": [odd]}), Drop)


def array(rows: list[Any]) -> str:
    return json.dumps(rows)


def lines(rows: list[Any]) -> str:
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize("layout_of_file", [array, lines])
@given(rows=st.lists(mostly(likely_rows), max_size=8), form=forms)
def test_every_row_is_counted(
    layout_of_file: Callable[[list[Any]], str],
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    form: SampleFormat,
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    source = folder / "FIRE-train-100K.json"
    source.write_text(layout_of_file([GOOD, *rows]))
    settings = Settings(form, skip_images=True, max_drop_share=1, save_drops=True)
    try:
        stats = Preparation(FIRE, [SplitInput("train", (source,), {})], settings, folder / "out", lambda _: None).run()
    except UserError:  # GOOD has one answer, so with --loss revisions nothing may be left to write
        if form.loss != "revisions":
            raise
        assert not list((folder / "out").glob("fire_bc_*"))
        return
    assert stats["rows_in"] == len(rows) + 1 == stats["written"] + sum(stats["dropped"].values())
    written = (folder / "out" / "fire_bc_train.jsonl").read_bytes().splitlines()
    assert len(written) == stats["samples"] == stats["files"]["fire_bc_train.jsonl"]["lines"]
    assert len((folder / "out" / "dropped_train.jsonl").read_bytes().splitlines()) == sum(stats["dropped"].values())
    for line in written:
        sample = json.loads(line)
        assert [message["role"] for message in sample["messages"]] == ["user", "assistant"] * (
            len(sample["messages"]) // 2
        )
        assert sum(message["content"].count("<image>") for message in sample["messages"]) == len(sample["images"]) == 1
        assert any(message.get("loss") for message in sample["messages"])
