"""The order of rows of a run that another number of processes started.

ms-swift leaves out the rows that its processes cannot share equally, and shuffles the others: with 11 rows, 2 processes
shuffle 10 and 1 process shuffles 11. A resumed run skips the rows of its finished steps, so it needs the order in which
they were counted. An optimizer step takes the next rows of that order, however many processes share them.
"""

from collections.abc import Iterator

import torch
from swift.dataloader import BatchSamplerShard
from swift.trainers import mixin


class RowOrder(BatchSamplerShard):  # type: ignore[misc]
    """Batches of this process, as indices of rows; the last ones repeat rows where they cannot be shared equally."""

    started_with = 1  # processes

    def __init__(self, total_samples: int, *args: object, **kwargs: object) -> None:
        super().__init__(total_samples, *args, **kwargs)
        self.rows = total_samples // self.started_with * self.started_with
        self.total_samples = -(-self.rows // self.world_size)  # of each process

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of one epoch."""
        order = list(range(self.rows))
        if self.shuffle:
            order = torch.randperm(self.rows, generator=torch.Generator().manual_seed(self.curr_seed)).tolist()
        shared = self.total_samples * self.world_size
        own = [order[place % self.rows] for place in range(self.rank, shared, self.world_size)]
        for first in range(0, len(own), self.batch_size):
            batch = own[first : first + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch


def keep_order(processes: int) -> None:
    """Let ms-swift's trainer read rows in the order of a run that `processes` started."""
    RowOrder.started_with = processes
    mixin.BatchSamplerShard = RowOrder
