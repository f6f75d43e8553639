"""How many samples a run trains on: a number given, a stats.json of the preparation, or `id#N` in the config."""

import json
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.train_config import TrainConfig


def samples_from_stats(path: Path) -> int:
    """Return the lines of the training split in a stats.json: {"files": {"fire_bc_train.jsonl": {"lines": ...}}}.

    Raises:
        UserError: it cannot be read, or names no training file.
    """
    try:
        stats = json.loads(path.read_text(encoding="utf-8"))
        lines = [facts["lines"] for name, facts in stats["files"].items() if "train" in name]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: is no stats.json of a preparation, which has files and their lines") from None
    if not lines:
        raise UserError(f"{path}: lists no training file; give --samples N")
    return int(sum(lines))


def samples_from_config(config: TrainConfig) -> int | None:
    """Return the sum of N where every training set is given as `id#N`, else None."""
    counts = [str(dataset).rpartition("#")[2] if "#" in str(dataset) else "" for dataset in config.args["dataset"]]
    return sum(map(int, counts)) if counts and all(count.isdecimal() for count in counts) else None
