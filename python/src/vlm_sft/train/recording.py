"""What a run does besides training: set on the command line; the ranks read their part in `swift_plugin`.

It is not part of ms-swift's config, so a run resumes after a change.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlm_sft.train.curve import Curve

LogBatches = Literal["none", "first-last", "all"]
KEEP_BEST, LOG_BATCHES = "VLM_SFT_KEEP_BEST", "VLM_SFT_LOG_BATCHES"  # variables of the ranks


@dataclass(frozen=True)
class Recording:
    """Choices for one run."""

    keep_best: bool = False  # link the checkpoint with the best validation as RUN_DIR/best
    log_batches: LogBatches = "none"  # whose shapes rank 0 logs: all, or the first and last of each epoch
    links: Path | None = None  # folder with a link to each run, by date
    curve: Curve | None = None  # scores of the model's answers during training

    def variables(self) -> dict[str, str]:
        """Return the variables from which the ranks read this."""
        curve = self.curve.variables() if self.curve else {}
        return {KEEP_BEST: "1" if self.keep_best else "", LOG_BATCHES: self.log_batches, **curve}


def keeps_best() -> bool:
    """Return, in a rank, whether the best checkpoint is linked."""
    return bool(os.environ.get(KEEP_BEST))


def logged_batches() -> str:
    """Return, in a rank, whose shapes are logged."""
    return os.environ.get(LOG_BATCHES, "none")
