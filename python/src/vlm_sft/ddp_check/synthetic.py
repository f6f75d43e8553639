"""What the DDP check trains on: generated rows whose classes a linear model separates. Units: samples, columns."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SEED = 2**32 - 1  # Helm passes whole numbers as floats, which hold this exactly


@dataclass(frozen=True)
class Synthetic:
    """A generated dataset and its training."""

    samples: int
    features: int  # columns of a sample
    classes: int
    epochs: int
    batch: int  # samples of one process in one DDP step
    learning_rate: float  # of Adam
    seed: int  # of the rows, the initial weights and the order

    def steps(self, processes: int) -> int:
        """DDP steps in an epoch; the samples that fill no whole step are left out, others in each epoch."""
        return self.samples // (self.batch * processes)

    def problems(self, processes: int) -> list[str]:
        """Return one line for each option that makes no training: key, got, need, way out."""
        return list(self._problems(processes))

    def _problems(self, processes: int) -> Iterator[str]:
        for name, least, example in (("features", 1, 128), ("classes", 2, 4), ("epochs", 1, 2), ("batch", 1, 256)):
            if getattr(self, name) < least:
                yield f"--{name}: got {getattr(self, name)}, need at least {least}; e.g. {example}"
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            yield f"--learning-rate: got {self.learning_rate:g}, need a number above 0; e.g. 0.003"
        if not 0 <= self.seed <= MAX_SEED:
            yield f"--seed: got {self.seed}, need 0 to {MAX_SEED}; e.g. 42"
        if self.batch > 0 and self.samples < self.batch * processes:
            yield (
                f"--samples: got {self.samples}, need at least {self.batch * processes} for one step "
                f"({self.batch} per process x {processes} processes); use more samples, or a smaller --batch"
            )
