"""Rows with one key are found wherever they lie, whatever their values are."""

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.readers import grouped as module
from vlm_sft.datasets.readers.grouped import Group, Groups, grouped


def key(row: Any) -> str | None:
    return row.get("key") if isinstance(row, dict) else None


def groups_of(rows: list[Any], folder: Path) -> list[Group]:
    """Return the groups after they were sent to another process."""
    sent: list[Groups] = [pickle.loads(pickle.dumps(part)) for part in grouped(rows, key, folder)]
    assert list(folder.iterdir()) == []
    return [group for part in sent for group in part.found]


def test_groups_follow_the_rows_without_a_key_in_the_order_of_their_first_rows(tmp_path: Path) -> None:
    rows = [{"key": "b", "n": 1}, 5, {"key": "a", "n": 2}, Drop("invalid_json"), {"key": "b", "n": 3}]
    assert groups_of(rows, tmp_path) == [
        [(2, 5)],
        [(4, Drop("invalid_json"))],
        [(1, rows[0]), (5, rows[4])],
        [(3, rows[2])],
    ]


@pytest.mark.parametrize(
    "value", [None, True, 10**400, 1.5, "\ud83d", b"\xff", [{}], datetime(2026, 1, 1, tzinfo=UTC), Decimal("1.5")]
)
def test_any_value_of_json_or_parquet_is_the_same_afterwards(tmp_path: Path, value: Any) -> None:
    rows = [{"key": "a", "x": value}, {"x": value}]
    assert groups_of(rows, tmp_path) == [[(2, rows[1])], [(1, rows[0])]]


def test_values_that_are_nested_as_deep_as_orjson_allows_are_sent(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(1023):
        deep = [deep]
    ((_, row),) = groups_of([{"key": "a", "x": deep}], tmp_path)[0]
    assert isinstance(row, dict)
    for _ in range(1023):
        (deep,) = deep
    assert deep == "x"


def test_a_large_group_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GROUP_ROWS", 2)
    assert [[number for number, _ in group] for group in groups_of([{"key": "a"}] * 5, tmp_path)] == [
        [1, 2],
        [3, 4],
        [5],
    ]
