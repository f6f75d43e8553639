"""Batch arithmetic: what one optimizer step sees, and how many steps there are. Unit: samples (rows)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """The factors of the effective batch size."""

    per_gpu: int
    accumulation: int
    ranks: int  # that see different rows
    gpus_per_rank: int = 1  # that see the same rows

    @property
    def effective(self) -> int:
        """Samples per optimizer step."""
        return self.per_gpu * self.accumulation * self.ranks

    @property
    def ranks_text(self) -> str:
        """The ranks in words: `4 GPUs`, or `2 data-parallel ranks (8 GPUs / 4)`."""
        if self.gpus_per_rank == 1:
            return f"{self.ranks} GPUs"
        return f"{self.ranks} data-parallel ranks ({self.ranks * self.gpus_per_rank} GPUs / {self.gpus_per_rank})"


@dataclass(frozen=True)
class Steps:
    """How long a run is."""

    per_epoch: int
    total: int
    left_out: int  # samples per epoch that no rank sees


def steps(samples: int, batch: Batch, epochs: float, max_steps: int = -1, drops_last: bool = False) -> Steps:
    """Count the optimizer steps as ms-swift 4.6 and transformers 5 do.

    Each rank gets floor(samples / ranks) rows (ms-swift's BatchSamplerShard drops the rest), makes ceil(rows / per_gpu)
    batches of them, the last one short, and ceil(batches / accumulation) steps, the last one with fewer batches;
    epochs may be a fraction. `max_steps` above 0 wins. (transformers Trainer.set_initial_training_values)
    """
    rows = samples // batch.ranks
    batches = rows // batch.per_gpu if drops_last else math.ceil(rows / batch.per_gpu)
    per_epoch = max(math.ceil(batches / batch.accumulation), 1)
    total = max_steps if max_steps > 0 else math.ceil(epochs * per_epoch)
    return Steps(per_epoch, total, samples - rows * batch.ranks)


def megatron_steps(samples: int, batch: Batch, epochs: float, train_iters: int = -1) -> Steps:
    """Count the optimizer steps as ms-swift 4.6 does for Megatron (MegatronArguments.init_iters).

    What fills no pass of all ranks is left out, and epochs run into each other. `train_iters` above 0 wins.
    """
    per_pass = batch.per_gpu * batch.ranks
    rows = samples // per_pass * per_pass
    total = train_iters if train_iters > 0 else math.floor(rows * epochs / batch.effective)
    return Steps(rows // batch.effective, total, samples - rows)


def reach(target: int, ranks: int, largest_per_gpu: int = 16) -> list[Batch]:
    """Return the settings that give the effective size `target`, else those nearest to it, smaller ones first.

    Among equals the larger per-GPU batch comes first: it needs fewer passes.
    """
    multiple = target / ranks
    nearest = [math.floor(multiple), math.ceil(multiple)]
    sizes = sorted({max(1, size) for size in nearest}, key=lambda size: (abs(size * ranks - target), size))
    if target % ranks == 0:
        sizes = [target // ranks]
    return [
        Batch(per_gpu, size // per_gpu, ranks)
        for size in sizes
        for per_gpu in range(min(size, largest_per_gpu), 0, -1)
        if size % per_gpu == 0
    ]
