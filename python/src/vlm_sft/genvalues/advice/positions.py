"""A warning when a row may have more tokens than the model has positions."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.known_models import find_config
from vlm_sft.genvalues.sizing.train_config import TrainConfig
from vlm_sft.positions import positions, too_long

Finding = tuple[tuple[str, ...], str]


def position_advice(_values: dict[str, Any], config: TrainConfig) -> Iterator[Finding]:
    """Yield a finding when train.args.max_length exceeds the positions of a known model."""
    try:
        known = positions(find_config(str(config.args["model"]))[0])
    except UserError:
        return  # another model: the trainer reads its config.json before it starts
    if message := too_long(config.args, known):
        yield ("train", "args", "max_length"), message
