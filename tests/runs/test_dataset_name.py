"""A dataset's name is read as ms-swift reads it: what exists is a path, and else the last `#` splits."""

from pathlib import Path

import pytest
from vlm_sft.runs.dataset_name import split_dataset


@pytest.mark.parametrize(
    ("name", "path", "rows"),
    [
        ("{}/run#3/t.jsonl", "{}/run#3/t.jsonl", None),
        ("{}/run#3/t.jsonl#5", "{}/run#3/t.jsonl", 5),
        ("{}/t#7", "{}/t#7", None),
        ("{}/run#3", "{}/run#3", None),
        ("{}/run#3#2", "{}/run#3", 2),
        ("{}/run#3:en#2", "{}/run#3", 2),
        ("{}/gone.jsonl#5", "{}/gone.jsonl", 5),
        ("{}/gone.jsonl", "{}/gone.jsonl", None),
        ("org/name#500", "org/name", 500),
    ],
)
def test_a_name_is_split_as_ms_swift_splits_it(tmp_path: Path, name: str, path: str, rows: int | None) -> None:
    from swift.dataset.dataset_syntax import DatasetSyntax

    (tmp_path / "run#3").mkdir()
    for file in ("run#3/t.jsonl", "t#7"):
        (tmp_path / file).touch()
    name, path = name.format(tmp_path), path.format(tmp_path)
    assert split_dataset(name) == (Path(path), rows)
    parsed = DatasetSyntax.parse(name)
    assert (parsed.dataset, parsed.dataset_sample) == (path, rows)


def test_a_mark_without_a_number_belongs_to_the_path() -> None:
    assert split_dataset("/gone/run#3/t.jsonl") == (Path("/gone/run#3/t.jsonl"), None)
