"""A run that another number of processes continues reads the same rows in each optimizer step."""

from collections.abc import Callable

import pytest
from swift.dataloader import BatchSamplerShard
from vlm_sft.train.swift_plugin.row_order import RowOrder


def steps(sampler: Callable[[], BatchSamplerShard], processes: int, batches: int) -> list[set[int]]:
    """Return the rows of each optimizer step, which takes this number of batches from each process."""
    shares = []
    for rank in range(processes):
        made = sampler()
        made.__class__ = type("OfRank", (type(made),), {"rank": rank})
        made.set_epoch(3)
        shares.append(list(made))
        assert len(shares[-1]) == len(made)
    longest = max(map(len, shares))
    return [
        {row for share in shares for batch in share[first : first + batches] for row in batch}
        for first in range(0, longest, batches)
    ]


@pytest.mark.parametrize("rows", [24, 47, 48, 49])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("started", "now", "batch_size"), [(2, 1, 1), (2, 4, 1), (4, 1, 3), (3, 2, 2), (1, 6, 1)])
def test_each_step_has_the_same_rows(
    monkeypatch: pytest.MonkeyPatch, rows: int, started: int, now: int, batch_size: int, *, shuffle: bool
) -> None:
    effective = 12

    def ended(kind: type[BatchSamplerShard], processes: int, size: int) -> list[set[int]]:
        monkeypatch.setattr(BatchSamplerShard, "world_size", processes)
        sampler = lambda: kind(rows, size, shuffle, drop_last=False, data_seed=42)  # noqa: E731
        return steps(sampler, processes, effective // (processes * size))

    monkeypatch.setattr(RowOrder, "started_with", started)
    before, after = ended(BatchSamplerShard, started, 1), ended(RowOrder, now, batch_size)
    assert before[:-1] == after[:-1]
    assert len(before) == len(after)
    assert len(after[-1] - before[-1]) < now  # rows of the start, where the rows left cannot be shared
    assert before[-1] <= after[-1]
