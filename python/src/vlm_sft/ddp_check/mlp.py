"""A tiny classifier trained with DDP on generated rows, which are the same for any number of processes.

N processes with a batch of B therefore train the same model as one process with a batch of N x B, except for rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from vlm_sft.ddp_check.synthetic import Synthetic

HIDDEN = 64  # units of the one hidden layer


@dataclass(frozen=True)
class Place:
    """Which of the processes this is, and where it computes."""

    rank: int
    world: int
    device: torch.device


class MlpTraining:
    """The rows, the model and its optimizer on one process. To create one is a collective operation."""

    def __init__(self, data: Synthetic, place: Place) -> None:
        """Generate the rows; the weights differ between processes until DDP sends those of rank 0."""
        self.data, self.place = data, place
        random = torch.Generator().manual_seed(data.seed)
        rows = torch.randn(data.samples, data.features, generator=random)
        labels = (rows @ torch.randn(data.features, data.classes, generator=random)).argmax(dim=1)
        self.rows, self.labels = rows.to(place.device), labels.to(place.device)
        torch.manual_seed(data.seed + place.rank)
        layers = (torch.nn.Linear(data.features, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, data.classes))
        model = torch.nn.Sequential(*layers).to(place.device)
        self.model = DistributedDataParallel(model, device_ids=[place.device] if place.device.type == "cuda" else None)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=data.learning_rate)

    def epoch(self, number: int) -> float:
        """Train on all rows once, in an order of its own, and return the mean loss of its steps on all processes."""
        order = torch.randperm(self.data.samples, generator=torch.Generator().manual_seed(self.data.seed + number))
        total = torch.zeros((), device=self.place.device)
        for batch in self._batches(order.to(self.place.device)):
            loss = cross_entropy(self.model(self.rows[batch]), self.labels[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        dist.all_reduce(total)
        return float(total.item()) / self.place.world / self.data.steps(self.place.world)

    def _batches(self, order: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the indices of this process in each step: its part of the next batch x processes rows."""
        step_rows = self.data.batch * self.place.world
        for step in range(self.data.steps(self.place.world)):
            start = step * step_rows + self.place.rank * self.data.batch
            yield order[start : start + self.data.batch]

    @torch.no_grad()
    def loss(self) -> float:
        """Return the mean loss over all rows, each computed by one process."""
        rows, labels = (whole[self.place.rank :: self.place.world] for whole in (self.rows, self.labels))
        total = cross_entropy(self.model.module(rows), labels, reduction="sum")
        dist.all_reduce(total)
        return float(total.item()) / self.data.samples
