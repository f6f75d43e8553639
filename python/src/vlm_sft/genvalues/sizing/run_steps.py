"""Rows and optimizer steps of a run: from a number given, a stats.json of the preparation, or `id#N` in the config."""

import json
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.batch import Batch, Steps, megatron_steps, steps
from vlm_sft.genvalues.sizing.train_config import TrainConfig

EPOCHS = 3.0  # ms-swift's default
VALIDATION = ("_test.jsonl", "_validation.jsonl")  # files that the chart gives to training as validation data


def epochs_of(config: TrainConfig) -> float:
    """Return how often the rows are seen."""
    return float(config.argument("num_train_epochs", EPOCHS)) or EPOCHS


def max_steps_of(config: TrainConfig) -> int:
    """Return train.args.max_steps, or Megatron's train_iters; -1 where the epochs decide."""
    if not config.is_megatron:
        return int(config.argument("max_steps", -1))
    return -1 if config.argument("num_train_epochs", 0) else int(config.argument("train_iters", -1))


def split_off(samples: int, config: TrainConfig) -> int:
    """Return the rows that split_dataset_ratio takes out of the training set; ms-swift rounds for each dataset."""
    ratio = config.argument("split_dataset_ratio", 0.0)
    if not ratio or config.args.get("val_dataset") or config.argument("streaming", False):
        return 0
    return max(int(samples * ratio), 1)


def counted_steps(batch: Batch, samples: int, config: TrainConfig) -> Steps:
    """Return the steps of an epoch and of the run."""
    samples -= split_off(samples, config)
    if config.is_megatron:
        return megatron_steps(samples, batch, epochs_of(config), max_steps_of(config))
    drops = bool(config.argument("dataloader_drop_last", False))
    return steps(samples, batch, epochs_of(config), max_steps_of(config), drops)


def steps_of(batch: Batch, samples: int | None, config: TrainConfig) -> int | None:
    """Return the optimizer steps of the whole run, None when neither max_steps nor the samples are known."""
    if samples is not None:
        return counted_steps(batch, samples, config).total
    return max_steps_of(config) if max_steps_of(config) > 0 else None


def samples_from_stats(path: Path) -> int:
    """Return the lines of the training splits in a stats.json: {"files": {"fire_bc_train.jsonl": {"lines": ...}}}.

    Raises:
        UserError: it cannot be read, or names no training file.
    """
    try:
        stats = json.loads(path.read_text(encoding="utf-8"))
        lines = [facts["lines"] for name, facts in stats["files"].items() if not name.endswith(VALIDATION)]
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
