"""Any value as a row of Alpaca, OpenAssistant or somebody's own data: no crash, one outcome a row, all counted."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.datasets.conversation import JOINED, REASONS, Conversation, Drop
from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.datasets.registry import DATASETS
from vlm_sft.prepare.runner import Preparation
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.swift_row import SampleFormat

GOOD: dict[str, list[Any]] = {
    "alpaca": [{"instruction": "q", "output": "a"}],
    "jsonl": [{"prompt": "q", "completion": "a"}],
    "oasst1": [
        {"message_id": "0", "parent_id": None, "message_tree_id": "0", "role": "prompter", "text": "q"},
        {"message_id": "1", "parent_id": "0", "message_tree_id": "0", "role": "assistant", "text": "a"},
    ],
}
for _row in GOOD["oasst1"]:
    _row["review_result"] = True
text = st.text(max_size=6) | st.sampled_from(
    [
        "<image>",
        "nan",
        " ",
        "user",
        "assistant",
        "gpt",
        "\ud83d",
        "\0",
        "<|im_end|>",
        "[",
        '[{"role": "user"}]',
        "[{[]: 1}]",
    ]
)
numbers = st.integers() | st.sampled_from([10**400, -(10**400), 2**64]) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


def mostly(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return likely | values


def rows_of(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return mostly(st.fixed_dictionaries({}, optional={name: mostly(likely) for name, likely in fields.items()}))


names = st.sampled_from("abcd")
parts = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["text", "image", "image_url"]), "text": mostly(text), "image": mostly(text)}
)
message = st.fixed_dictionaries(
    {},
    optional={
        "role": mostly(st.sampled_from(["user", "assistant", "system", "tool"])),
        "from": mostly(st.sampled_from(["human", "gpt"])),
        "content": mostly(text | st.lists(parts, max_size=3)),
        "value": mostly(text),
        "human": mostly(text),
        "loss": values,
        "weight": values,
        "tool_calls": values,
    },
)
talk = st.lists(message, max_size=4) | st.lists(text, max_size=5).map(
    lambda texts: [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(texts)]
)
image = mostly(text | st.fixed_dictionaries({}, optional={"bytes": values, "path": values}))
ROWS = {
    "alpaca": rows_of({"instruction": text, "input": text, "output": text, "id": values}),
    "jsonl": rows_of(
        dict.fromkeys(("messages", "conversations", "chosen"), talk)
        | dict.fromkeys(("prompt", "completion"), text | talk)
        | dict.fromkeys(("instruction", "output", "text", "system", "source", "question", "answer"), text)
        | {"images": st.lists(image, max_size=2), "image": image, "id": values}
    ),
    "oasst1": rows_of(
        {
            "message_id": names,
            "parent_id": names | st.none(),
            "message_tree_id": st.just("t"),
            "role": st.sampled_from(["prompter", "assistant"]),
            "text": text,
            "lang": st.just("en"),
            "rank": st.integers(0, 2) | st.none(),
            "review_result": st.just(True),
            "deleted": st.just(False),
        }
    ),
}
trees = st.lists(ROWS["oasst1"], max_size=8) | st.lists(
    st.builds(
        lambda name, parent, role, rank: (
            GOOD["oasst1"][0]
            | {"message_id": name, "parent_id": parent, "role": role, "rank": rank, "message_tree_id": "t"}
        ),
        names,
        names | st.none(),
        st.sampled_from(["prompter", "assistant"]),
        st.integers(0, 2) | st.none(),
    ),
    max_size=8,
)
LISTS = {"alpaca": st.lists(ROWS["alpaca"], max_size=5), "jsonl": st.lists(ROWS["jsonl"], max_size=5), "oasst1": trees}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "alpaca": [{}],
    "jsonl": [{}, {"mapping": {"prompt": "question", "completion": "answer", "images": "image.bytes"}}],
    "oasst1": [{}, {"threads": "all", "unreviewed": True}, {"languages": ("en",)}],
}
EACH = [(name, own) for name, choices in OPTIONS.items() for own in choices]


def outcomes_of(dataset: Dataset, rows: Sequence[object], own: dict[str, Any]) -> None:
    """Check the outcomes of rows."""
    outcomes = dataset.adapter(**own).outcomes(rows)
    assert len(outcomes) == len(rows)
    for outcome in outcomes:
        if isinstance(outcome, Drop):
            assert outcome.reason in REASONS
            assert len(outcome.detail) <= 200 or dataset.name == "oasst1"
        elif isinstance(outcome, Conversation):
            assert outcome.question or len(outcome.turns) == 1
            assert all(turn.answer for turn in outcome.turns)
            assert all(turn.reply for turn in outcome.turns[:-1])
        else:
            assert outcome is JOINED
            assert dataset.name == "oasst1"


@pytest.mark.parametrize(("name", "own"), EACH)
@given(data=st.data())
def test_the_adapter_accepts_any_value(name: str, own: dict[str, Any], data: st.DataObject) -> None:
    outcomes_of(DATASETS[name], data.draw(LISTS[name]), own)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


ODD = [
    nested(5000),
    [nested(5000)],
    {"role": nested(5000), "content": [nested(5000)]},
    10**5000,
    "[" * 5000,
    True,
    b"\xff",
]
FIELDS = {
    "alpaca": ["instruction", "input", "output", "id"],
    "jsonl": [
        "prompt",
        "completion",
        "messages",
        "conversations",
        "chosen",
        "images",
        "image",
        "system",
        "source",
        "id",
        "text",
    ],
    "oasst1": [
        "message_id",
        "parent_id",
        "message_tree_id",
        "role",
        "text",
        "lang",
        "rank",
        "review_result",
        "deleted",
    ],
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in FIELDS.items() for field in fields])
def test_deep_huge_and_foreign_values_do_not_crash(name: str, field: str) -> None:
    for odd in ODD:
        for rows in ([odd], [GOOD[name][0] | {field: odd}], [*GOOD[name], GOOD[name][-1] | {field: odd}]):
            outcomes_of(DATASETS[name], rows, {})


def test_a_cycle_and_a_long_chain_end() -> None:
    chain = [
        GOOD["oasst1"][0]
        | {"message_id": str(n), "parent_id": str(n - 1) if n else None, "role": ("prompter", "assistant")[n % 2]}
        for n in range(10_000)
    ]
    outcomes_of(DATASETS["oasst1"], chain, {"threads": "all"})
    outcomes_of(DATASETS["oasst1"], [chain[0] | {"parent_id": "9999"}, *chain[1:]], {})


@pytest.mark.parametrize(("name", "own"), EACH)
@given(data=st.data())
def test_every_row_is_counted(
    name: str, own: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder, dataset = tmp_path_factory.mktemp("fuzz"), DATASETS[name]
    mapped = {"question": "q", "answer": "a", "image": {"bytes": None}} if "mapping" in own else {}
    good = [row | {"lang": "en"} | mapped for row in GOOD[name]]
    rows = [*good, *data.draw(LISTS[name])]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = Settings(SampleFormat(), skip_images=True, max_drop_share=1, save_drops=True, workers=1, own=own)
    inputs = [SplitInput("train", (folder / "train.jsonl",), {})]
    stats = Preparation(dataset, inputs, settings, folder / "out", lambda _: None).run()
    assert stats["rows_in"] == len(rows) == stats["written"] + stats["joined"] + sum(stats["dropped"].values())
    written = (folder / "out" / f"{name}_bc_train.jsonl").read_bytes().splitlines()
    assert len(written) == stats["samples"] >= 1
    assert len((folder / "out" / "dropped_train.jsonl").read_bytes().splitlines()) == sum(stats["dropped"].values())
    for line in written:
        sample = json.loads(line)
        assert list(sample) == ["id", "messages", "images"]
        assert sum(message["content"].count("<image>") for message in sample["messages"]) == len(sample["images"])
