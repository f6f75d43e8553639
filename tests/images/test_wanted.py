"""Images of the rows that a preparation will read."""

from pathlib import Path

from vlm_sft.datasets.conversation import Conversation, Turn
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.images.wanted import read_wanted


def test_a_row_with_several_images_is_one_row(tmp_path: Path) -> None:
    def parse(row: object) -> Conversation:
        assert isinstance(row, dict)
        return Conversation("", "web", tuple(row["images"]), "q", (Turn("a"),))

    path = tmp_path / "rows.jsonl"
    path.write_text('{"images": []}\n{"images": ["1.jpg", "2.jpg"]}\n{"images": ["2.jpg"]}\n{"images": ["3.jpg"]}\n')
    wanted = read_wanted(
        lambda rows: [parse(row) for row in rows], [SplitInput("train", (path,), {})], (), 0, lambda _: True
    )
    assert list(wanted.sources) == ["1.jpg", "2.jpg", "3.jpg"]
    assert wanted.missing_share("train", {"1.jpg", "2.jpg"}) == 0.5
