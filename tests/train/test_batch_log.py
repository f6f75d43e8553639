"""Which batches of rank 0 are logged, and how."""

import pytest
import torch
from vlm_sft.train.swift_plugin.batch_log import BatchLog, described

BATCH = {"input_ids": torch.zeros(2, 7, dtype=torch.long), "labels": torch.tensor([[-100] * 5 + [1, 2]] * 2)}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "2 rows x 7 tokens, 4 trained"),
        (
            {"image_grid_thw": torch.ones(3, 3), "pixel_values": torch.ones(12, 6)},
            "2 rows x 7 tokens, 4 trained, 3 images",
        ),
        ({"pixel_values": torch.ones(2, 3, 8, 8)}, "2 rows x 7 tokens, 4 trained, images 2 x 3 x 8 x 8"),
        ({"labels": None}, "2 rows x 7 tokens"),
        ({"input_ids": None, "inputs_embeds": torch.ones(2, 7, 4)}, "2 rows x 7 tokens, 4 trained"),
    ],
)
def test_a_batch_is_described_by_its_shape(more: dict[str, object], expected: str) -> None:
    assert described({**BATCH, **more}) == expected


def logged(every: bool, steps_of_epochs: list[list[int]]) -> list[str]:
    """Return what is logged of two batches a step."""
    lines: list[str] = []
    log = BatchLog(every, lines.append)
    for steps in steps_of_epochs:
        for step in steps:
            log.seen(step, BATCH)
            log.seen(step, BATCH)
        log.epoch_ended()
    return [line.partition(":")[0] for line in lines]


def test_the_first_and_last_batch_of_each_epoch() -> None:
    assert logged(False, [[1, 2], [3]]) == [
        "batch 1 of step 1",
        "batch 2 of step 2",
        "batch 1 of step 3",
        "batch 2 of step 3",
    ]


def test_an_epoch_without_batches_logs_nothing() -> None:
    assert logged(False, [[], [1]]) == ["batch 1 of step 1", "batch 2 of step 1"]


def test_all_batches_are_logged_once() -> None:
    assert logged(True, [[1], [2]]) == [f"batch {batch} of step {step}" for step in (1, 2) for batch in (1, 2)]
