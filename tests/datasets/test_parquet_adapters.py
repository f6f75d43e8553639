"""geo3k and robo2vlm: whatever a row is, the adapter names a drop or yields a conversation that can be written."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from vlm_sft.datasets.conversation import REASONS, Conversation, Drop
from vlm_sft.datasets.geo3k.rows import parse as geo3k
from vlm_sft.datasets.readers.source import locate
from vlm_sft.datasets.robo2vlm import ROBO2VLM
from vlm_sft.datasets.robo2vlm.choices import choices_of, right_choice
from vlm_sft.datasets.robo2vlm.rows import parse as robo2vlm
from vlm_sft.datasets.texts import IMAGE_TAG
from vlm_sft.prepare.runner import Preparation
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.shards import Shard
from vlm_sft.prepare.swift_row import SampleFormat

GEO = {"images": ["a.png"], "problem": "<image>Find x.", "answer": "60"}
ROBO = {"id": "droid_1", "question": "q", "choices": "['Up', 'Down']", "correct_answer": 1, "image": b"x"}

text = st.text(max_size=8) | st.sampled_from(
    ["<image>", "<image>Find x.", "['a', 'b']", '["a"]', "{'a'}", "[1, 2]", "B", "1", "nan", "\\boxed{1}", "a_b"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


def mostly(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return likely | values


image = mostly(text | st.fixed_dictionaries({"bytes": mostly(st.binary(max_size=4)), "path": mostly(text)}))
geo_rows = st.fixed_dictionaries(
    {}, optional={"images": st.lists(image, max_size=2) | values, "problem": mostly(text), "answer": mostly(text)}
)
choices = text | st.lists(text, max_size=30).map(repr) | st.lists(text, max_size=30) | st.from_regex(r"\[.*\]")
robo_rows = st.fixed_dictionaries(
    {"image": image, "question": mostly(text), "choices": mostly(choices)},
    optional={"id": mostly(text), "correct_answer": mostly(st.integers(-2, 30) | text)},
)


def check(parsed: object) -> None:
    if isinstance(parsed, Drop):
        assert parsed.reason in REASONS
        return
    assert isinstance(parsed, Conversation)
    assert parsed.images
    (turn,) = parsed.turns
    assert turn.answer == turn.answer.strip() != ""
    assert parsed.question == parsed.question.strip() != ""
    tags = (parsed.question + turn.answer).count(IMAGE_TAG)
    assert tags == (len(parsed.images) if parsed.tags_in_text else 0)


@given(mostly(geo_rows), st.sampled_from(["boxed", "plain"]))
def test_geo3k_accepts_any_value(row: Any, target: Any) -> None:
    check(geo3k(row, target))


@given(mostly(robo_rows))
def test_robo2vlm_accepts_any_value(row: Any) -> None:
    check(robo2vlm(row))


@given(st.lists(st.text(max_size=20).filter(str.strip), min_size=2, max_size=26))
def test_the_choices_that_python_writes_are_read_back(texts: list[str]) -> None:
    assert choices_of(repr(texts)) == choices_of(texts)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


ODD = [
    nested(5000),
    {"value": nested(5000)},
    10**5000,
    -(10**5000),
    True,
    float("nan"),
    float("inf"),
    "\ud800",
    b"\xff",
]


@pytest.mark.parametrize("odd", ODD, ids=lambda _: "odd")
def test_deep_and_huge_values_do_not_crash(odd: Any) -> None:
    for name in [*GEO, "id"]:
        check(geo3k(GEO | {name: odd}))
    for name in ROBO:
        check(robo2vlm(ROBO | {name: odd}))
    check(robo2vlm(ROBO | {"choices": [odd, "b"]}))


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 60_000,
        "[" + "'a'," * 10_000 + "]",
        "[" + "-" * 60_000 + "1, 2]",
        "[1" + "+1" * 30_000 + ", 2]",
        "['" + "\\" * 60_001 + "', 'b']",
        "['a', 'b'" + " " * 60_000,
        "[" + "9" * 60_000 + ", 2]",
        "['a', 'b']" + " " * 70_000,
        "['\\N{NO SUCH NAME}', 'b']",
        "['\\ud800', 'b'\0]",
        "[open('/tmp/x', 'w'), 'b']",
        "[lambda: 1, 'b']",
        "['a' if 1 else 'c', 'b']",
        "[f'{1}', 'b']",
        "[b'a', 'b']",
        "[*'ab']",
        "[1_0, 2]",
        "[0x10, 2]",
        "[007, 2]",
        "['''a''', 'b']",
    ],
    ids=lambda text: str(text)[:20],
)
def test_hostile_choices_are_dropped(hostile: str) -> None:
    dropped = choices_of(hostile)
    assert isinstance(dropped, Drop)
    assert dropped.reason == "choices_unreadable"


def test_indices_of_numpy_are_read() -> None:
    import numpy as np

    assert right_choice(np.int64(1), ("a", "b")) == 1
    assert right_choice(np.float64(1), ("a", "b")) == 1


@pytest.mark.parametrize("letter", ["\ufb06", "\u0131", "é", "AB", "", " "])
def test_only_letters_of_the_alphabet_name_a_choice(letter: str) -> None:
    dropped = right_choice(letter, tuple("abcdefghijklmnopqrstuvwxyz"))
    assert isinstance(dropped, Drop)
    assert dropped.reason == "answer_unreadable"


@pytest.mark.parametrize(
    ("row_id", "source"),
    [("droid_0007_q12", "droid"), ("fractal20220817_1", "fractal20220817"), ("7_1", "(no source)"),
     ("droid", "(no source)"), ("a1b2c3d4_1", "(no source)"), (None, "(no source)")],
)  # fmt: skip
def test_the_source_is_the_start_of_the_id(row_id: Any, source: str) -> None:
    parsed = robo2vlm(ROBO | {"id": row_id})
    assert isinstance(parsed, Conversation)
    assert parsed.source == source


def png(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), grey).save(file, "PNG")
    return file.getvalue()


def test_any_number_of_processes_and_shards_writes_the_same_samples_and_pictures(tmp_path: Path) -> None:
    """Two files of two row groups each; a picture that 51 rows have is one file."""
    rows = [ROBO | {"id": f"droid_{number}", "image": {"bytes": png(number % 50)}} for number in range(101)]
    rows[70] |= {"correct_answer": 9}
    for number in range(2):
        table = pa.Table.from_pylist(rows[number::2])
        parquet.write_table(table, tmp_path / f"train-0000{number}-of-00002.parquet", row_group_size=30)

    def preparation(out: Path, **settings: Any) -> Preparation:
        inputs = locate(ROBO2VLM, str(tmp_path), ("train",))
        return Preparation(ROBO2VLM, inputs, Settings(SampleFormat(), **settings), out, lambda _: None)

    def made(out: Path) -> tuple[str, list[str], list[int]]:
        stats = json.loads((out / "stats.json").read_bytes())
        pictures = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
        lines = (out / "robo2vlm_bc_train.jsonl").read_text().replace(str(out), "OUT")
        return lines, pictures, [stats["rows_in"], stats["written"], stats["dropped"]["answer_out_of_range"]]

    preparation(tmp_path / "one", workers=1).run()
    expected = made(tmp_path / "one")
    assert len(expected[1]) == 50
    assert expected[2] == [101, 100, 1]
    preparation(tmp_path / "two", workers=2).run()
    assert made(tmp_path / "two") == expected
    for number in range(3):
        preparation(tmp_path / "shards", workers=1).run_shard(Shard(number, 3))
    assert made(tmp_path / "shards") == expected
