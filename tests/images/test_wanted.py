"""Images of the rows that a preparation will read."""

import json
from collections.abc import Sequence
from pathlib import Path

from vlm_sft.datasets.conversation import JOINED, Conversation, Drop, Outcome, Turn
from vlm_sft.datasets.dataset import Adapter
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.images.wanted import MIN_SPARE_ROWS, read_wanted


def test_a_row_with_several_images_is_one_row(tmp_path: Path) -> None:
    def parse(row: object) -> Conversation:
        assert isinstance(row, dict)
        return Conversation("", "web", tuple(row["images"]), "q", (Turn("a"),))

    path = tmp_path / "rows.jsonl"
    path.write_text('{"images": []}\n{"images": ["1.jpg", "2.jpg"]}\n{"images": ["2.jpg"]}\n{"images": ["3.jpg"]}\n')
    wanted = read_wanted(
        Adapter(parse), [SplitInput("train", (path,), {})], (), 0, is_obtainable=lambda _: True, folder=tmp_path
    )
    assert list(wanted.sources) == ["1.jpg", "2.jpg", "3.jpg"]
    assert wanted.missing_share("train", {"1.jpg", "2.jpg"}) == 0.5


def test_the_first_samples_of_a_grouped_dataset_are_those_of_prepare(tmp_path: Path) -> None:
    """`prepare` orders groups by their first row, which may be far from the row that completes them."""

    def name_of(row: object) -> str:
        assert isinstance(row, dict)
        return "".join(row)

    def parse_group(rows: Sequence[object]) -> Sequence[Outcome]:
        conversation = Conversation("", "web", (name_of(rows[0]),), "q", (Turn("a"),))
        return [*[JOINED] * (len(rows) - 1), conversation] if len(rows) > 1 else [Drop("no_answers")]

    path = tmp_path / "rows.json"
    groups = [chr(ord("A") + number) for number in range(26)]
    path.write_text(json.dumps([{name: 1} for name in groups] + [{name: 2} for name in reversed(groups)]))
    adapter = Adapter(key=name_of, parse_group=parse_group)
    wanted = read_wanted(adapter, [SplitInput("train", (path,), {})], (), 1, lambda _: True, tmp_path)
    assert list(wanted.sources) == groups[: 1 + MIN_SPARE_ROWS]
    assert [file.name for file in tmp_path.iterdir()] == ["rows.json"]
