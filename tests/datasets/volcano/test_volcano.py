"""Volcano: any values as rows, groups that are large or deep, and what ms-swift loads of them."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from swift_loads import rows_loaded
from vlm_sft.cli import main
from vlm_sft.datasets.conversation import JOINED, REASONS, Conversation, Drop
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.datasets.volcano import VOLCANO
from vlm_sft.datasets.volcano.prompts import CRITIQUE, DECIDE, REVISE
from vlm_sft.datasets.volcano.trajectories import key, parse_group
from vlm_sft.images.archive_table import load_table
from vlm_sft.prepare.runner import Preparation
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.swift_row import SampleFormat

Row = dict[str, Any]
CASES = sorted((Path(__file__).parents[2] / "data" / "volcano").glob("*.json"))


def row(prompt: str, answer: str, image: str = "1.jpg") -> Row:
    talk = [{"from": "human", "value": f"<image>\n{prompt}"}, {"from": "gpt", "value": answer}]
    return {"id": 1, "image": image, "conversations": talk}


def critique(question: str, answer: str, feedback: str, image: str = "1.jpg") -> Row:
    return row(f"{CRITIQUE}\nQuestion: {question}\nInitial answer: {answer}", feedback, image)


def revise(question: str, answer: str, feedback: str, revised: str, image: str = "1.jpg") -> Row:
    prompt = f"{REVISE}\nQuestion: {question}\nInitial answer: {answer}\nFeedback: {feedback}"
    return row(prompt, revised, image)


def decide(question: str, answer: str, revised: str, letter: str, image: str = "1.jpg") -> Row:
    return row(f"{question}\nA. {answer}\nB. {revised}\n{DECIDE}", letter, image)


# Few texts, so that rows fit together, branch and run in circles.
texts = st.sampled_from(
    ["one", "two", "three", "four ", "", "x\nInitial answer: one", "y\nFeedback: two", "a\nA. b\nB. c"]
)
images = st.sampled_from(["1.jpg", "2.jpg"])
prompts = (
    st.builds(critique, texts, texts, texts, images)
    | st.builds(revise, texts, texts, texts, texts, images)
    | st.builds(decide, texts, texts, texts, st.sampled_from(["A", "B", "b.", "both", ""]), images)
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.just(CRITIQUE)
    | st.just(REVISE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
entries = values | st.fixed_dictionaries(
    {}, optional={"from": st.sampled_from(["human", "gpt"]) | values, "value": values}
)
broken = values | st.fixed_dictionaries(
    {}, optional={"id": values, "image": values | images, "conversations": values | st.lists(entries, max_size=4)}
)
groups = st.lists(prompts | broken, max_size=12)


@given(groups)
def test_every_row_has_one_outcome_and_every_answer_is_taught_once(rows: list[Any]) -> None:
    outcomes = parse_group(rows)
    assert len(outcomes) == len(rows)
    assert all(outcome.reason in REASONS for outcome in outcomes if isinstance(outcome, Drop))
    written = [outcome for outcome in outcomes if isinstance(outcome, Conversation)]
    assert bool(written) or JOINED not in outcomes
    first = Counter((one.images, one.question, one.turns[0].answer) for one in written if one.turns[0].trained)
    assert set(first.values()) <= {1}
    for one in written:
        assert one.question
        assert all(turn.answer and turn.reply for turn in one.turns[:-1])
        assert one.turns[-1].answer
    for number, (item, outcome) in enumerate(zip(rows, outcomes, strict=True)):
        assert (key(item) is not None) or isinstance(outcome, Drop), number


@given(st.lists(st.builds(revise, texts, texts, texts, texts, images), max_size=12))
def test_every_revision_is_in_one_conversation_or_dropped_by_name(rows: list[Row]) -> None:
    outcomes = parse_group(rows)
    rounds = sum(len(list(pairwise(one.turns))) for one in outcomes if isinstance(one, Conversation))
    assert rounds + sum(isinstance(outcome, Drop) for outcome in outcomes) == len(rows)


@given(st.lists(prompts, max_size=8))
def test_the_rows_of_other_images_change_nothing(rows: list[Row]) -> None:
    apart = {image: iter(parse_group([one for one in rows if one["image"] == image])) for image in ("1.jpg", "2.jpg")}
    assert parse_group(rows) == [next(apart[one["image"]]) for one in rows]


CHAIN = [revise("q", str(number), "f", str(number + 1)) for number in range(3000)]
STAR = [revise("q", "0", f"f{number}", str(number)) for number in range(1, 3000)]
FUNNEL = [revise("q", str(number), "f", "x") for number in range(5000)]
SPREAD = [revise("q", "x", f"f{number}", f"y{number}") for number in range(5000)]
CRITIQUES = [critique("q", str(number), "f\nFeedback: " * 50) for number in range(1500)]


@pytest.mark.parametrize(
    ("rows", "written"),
    [(CHAIN, 1), (CHAIN[::-1], 1), (STAR, 2999), (FUNNEL + SPREAD, 9999), (CRITIQUES, 0)],
    ids=["a chain", "a chain from its end", "a star", "a funnel", "critiques"],
)
def test_a_large_group_is_read_whole(rows: list[Row], written: int) -> None:
    outcomes = parse_group(rows)  # in the square of its rows this would take minutes
    assert sum(isinstance(outcome, Conversation) for outcome in outcomes) == written


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("field", ["id", "image", "conversations"])
@pytest.mark.parametrize("odd", [nested(5000), [nested(5000)], {"value": nested(5000)}, 10**5000], ids=lambda _: "odd")
def test_deep_and_huge_values_do_not_crash(field: str, odd: Any) -> None:
    good = revise("q", "a", "f", "r")
    for adapter in (VOLCANO.adapter(), VOLCANO.adapter(**{"as": "trajectories"})):
        assert isinstance(adapter.outcomes([good | {field: odd}])[0], Drop) == (field != "id")
        assert isinstance(adapter.outcomes([good | {"conversations": [odd]}])[0], Drop)


def test_every_image_of_llava_has_an_archive() -> None:
    assert VOLCANO.archive_table
    table = load_table(VOLCANO.archive_table)
    paths = (
        "coco/train2017/000000111222.jpg",
        "000000111222.jpg",
        "gqa/images/2370799.jpg",
        "ocr_vqa/images/0439888877.jpg",
        "textvqa/train_images/0004c9478eeda995.jpg",
        "vg/VG_100K/2331536.jpg",
        "vg/VG_100K_2/2331536.jpg",
    )
    assert [path for path in paths if not table.places(path).archives] == []
    assert table.places(paths[1]) == table.places(paths[0])


def prepared(rows: list[Any], folder: Path, form: str) -> dict[str, Any]:
    source = folder / "volcano-train.json"
    source.write_text(json.dumps(rows))
    wanted = Settings(SampleFormat(), skip_images=True, max_drop_share=1, own={"as": form}, workers=1)
    split = [SplitInput("train", (source,), {})]
    stats = Preparation(VOLCANO, split, wanted, folder / "out", lambda _: None).run()
    counts: dict[str, Any] = stats["splits"]["train"]
    return counts


@pytest.mark.parametrize("form", ["rows", "trajectories"])
@settings(deadline=None)
@given(rows=groups)
def test_every_row_is_counted(form: str, tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("volcano")
    counts = prepared([revise("q", "a", "f", "r", "3.jpg"), *rows], folder, form)
    assert counts["rows_in"] == len(rows) + 1
    assert counts["rows_in"] == counts["written"] + counts["joined"] + sum(counts["dropped"].values())
    assert len((folder / "out" / "volcano_bc_train.jsonl").read_bytes().splitlines()) == counts["written"]


@pytest.mark.parametrize("form", ["rows", "trajectories"])
def test_ms_swift_loads_every_line(form: str, tmp_path: Path) -> None:
    cases = [json.loads(path.read_text()) for path in CASES]
    rows = [row for case in cases for row in case.get("rows", [case.get("row")])]
    counts = prepared(rows, tmp_path, form)
    lines = [json.loads(line) for line in (tmp_path / "out" / "volcano_bc_train.jsonl").read_bytes().splitlines()]
    loaded = rows_loaded(tmp_path / "out" / "volcano_bc_train.jsonl")
    assert len(loaded) == len(lines) == counts["written"] > 10
    assert [row["images"] for row in loaded] == [line["images"] for line in lines]
    said = [[message["content"] for message in row["messages"]] for row in (*loaded, *lines)]
    assert said[: len(lines)] == said[len(lines) :]


@pytest.mark.parametrize(("form", "named"), [("rows", 2), ("trajectories", 1)])
def test_only_the_images_of_the_prepared_rows_are_fetched(form: str, named: int, tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    rows = [row("Plain?", "Yes."), critique("q", "a", "f", "2.jpg"), revise("q", "a", "f", "r", "2.jpg")]
    (tmp_path / "volcano-train.json").write_text(json.dumps(rows))
    options = ["--input", str(tmp_path), "--image-root", str(tmp_path), "--as", form]
    result = CliRunner().invoke(main, ["images", "volcano", *options])
    assert result.exit_code == 0, result.output
    assert f"{named} images named, {named} of them on disk" in result.output
