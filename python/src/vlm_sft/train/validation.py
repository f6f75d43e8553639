"""What is logged and reported of each evaluation during training: the loss, and its exponential, the perplexity."""

import math
from collections.abc import Iterable
from typing import Any

LOSS, PERPLEXITY = "eval_loss", "eval_perplexity"
REPORTED = ("step", "epoch", LOSS, PERPLEXITY)
MAX_EXPONENT = 700.0  # e^710 is more than a float can hold


def add_perplexity(logs: dict[str, Any]) -> None:
    """Add the perplexity [per token] to the metrics of an evaluation; other metrics stay as they are.

    ms-swift's eval_loss is the mean over batches of the mean loss [nats] of their tokens.
    """
    if LOSS in logs:
        loss = float(logs[LOSS])
        logs[PERPLEXITY] = math.inf if loss > MAX_EXPONENT else math.exp(loss)


def validations(log_history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the step, epoch, loss and perplexity of each evaluation in a trainer's log."""
    return [{name: entry.get(name) for name in REPORTED} for entry in log_history if LOSS in entry]
