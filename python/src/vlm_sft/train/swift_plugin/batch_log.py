"""Logs the shape of the batches of rank 0: what a forward pass really gets, for `train.logBatches`.

batch 3 of step 12: 2 rows x 812 tokens, 431 trained, 3 images
"""

from collections.abc import Callable
from typing import Any

import torch

IGNORED = -100  # label of a token without loss


def described(inputs: dict[str, Any]) -> str:
    """Return rows, tokens with padding, trained tokens and images of a collated batch."""
    ids, labels = inputs.get("input_ids"), inputs.get("labels")
    if not isinstance(ids, torch.Tensor):  # a model that gets embeddings
        ids = inputs["inputs_embeds"][..., 0]
    parts = [f"{ids.shape[0]} rows x {ids.shape[-1]} tokens"]
    if isinstance(labels, torch.Tensor):
        parts.append(f"{int((labels != IGNORED).sum())} trained")
    grid, pixels = inputs.get("image_grid_thw"), inputs.get("pixel_values")
    if isinstance(grid, torch.Tensor):  # of Qwen: one row per image
        parts.append(f"{grid.shape[0]} images")
    elif isinstance(pixels, torch.Tensor):
        parts.append(f"images {' x '.join(map(str, pixels.shape))}")
    return ", ".join(parts)


class BatchLog:
    """Logs all batches, or the first and the last of each epoch."""

    def __init__(self, every: bool, log: Callable[[str], None]) -> None:
        self.every = every
        self.log = log
        self.step, self.batch = -1, 0
        self.first_of_epoch = True
        self.last: str | None = None  # seen, not logged yet

    def seen(self, step: int, inputs: dict[str, Any]) -> None:
        """Take the batch of a forward pass in an optimizer step, both counted from one."""
        self.batch = self.batch + 1 if step == self.step else 1
        self.step = step
        line = f"batch {self.batch} of step {step}: {described(inputs)}"
        if self.every or self.first_of_epoch:
            self.log(line)
        else:
            self.last = line
        self.first_of_epoch = False

    def epoch_ended(self) -> None:
        """Log the last batch of the epoch, unless it is logged already."""
        if self.last is not None:
            self.log(self.last)
        self.first_of_epoch, self.last = True, None
