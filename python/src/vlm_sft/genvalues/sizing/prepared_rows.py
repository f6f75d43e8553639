"""What is known of the rows that the preparation writes: images, and the tokens of the longest one. Unit: tokens."""

from collections.abc import Mapping
from typing import Any

# Datasets with a hub id of their own: whether they have images. Rows of jsonl, csv and hub can be anything.
HAS_IMAGES = {"fire": True, "volcano": True, "geo3k": True, "robo2vlm": True, "alpaca": False, "oasst1": False}
# FIRE: 1.9 kB a row with 2.6 answers, about 4.3 bytes a token (Qwen's tokenizer on English), rounded up
LONGEST_HISTORY = 5  # rounds before the last answer of FIRE's longest trajectories
ROUND_TOKENS = 170  # an answer and its feedback


def prepared_dataset(values: Mapping[str, Any]) -> str:
    """Return the dataset whose rows the preparation writes for training; empty where it writes none."""
    prepare = values["prepare"]
    return str(prepare["dataset"]) if prepare["enabled"] and not values["train"]["dataset"] else ""


def longest_answers(values: Mapping[str, Any]) -> int | None:
    """Return the answers of the longest row, each with its feedback; None where that is not known."""
    if prepared_dataset(values) != "fire":
        return None
    return min(int(values["prepare"]["maxHistoryRounds"]) or LONGEST_HISTORY, LONGEST_HISTORY) + 1
