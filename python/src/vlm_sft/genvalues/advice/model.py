"""Warnings about the model: a gated family without a token, and a vision tower that stays frozen in full tuning."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.known_models import find_config
from vlm_sft.genvalues.sizing.prepared_rows import HAS_IMAGES, prepared_dataset
from vlm_sft.genvalues.sizing.train_config import TrainConfig

Finding = tuple[tuple[str, ...], str]
# Publishers and families whose every model asks for a licence on the hub
GATED = ("meta-llama/", "google/gemma-2", "google/gemma-3", "google/paligemma", "google/medgemma", "CohereLabs/")


def model_advice(values: dict[str, Any], config: TrainConfig) -> Iterator[Finding]:
    """Yield the findings about model.id and how it is tuned."""
    model = values["model"]
    family = next((prefix for prefix in GATED if model["id"].startswith(prefix)), "")
    if family and not model["gated"] and model["download"] and not values["offline"]:
        message = f"false, but {model['id']} is of a gated family ({family}...), whose download needs a token; "
        way_out = "accept its licence, create the secret hf-token and set it to true"
        yield ("model", "gated"), message + way_out
    if config.argument("tuner_type", "lora") == "full" and "freeze_vit" not in config.args and _sees(values, config):
        message = "full, but ms-swift freezes the vision tower unless freeze_vit is false (and the aligner unless "
        yield ("train", "args", "tuner_type"), f"{message}freeze_aligner is); set train.args.freeze_vit to one of both"


def _sees(values: dict[str, Any], config: TrainConfig) -> bool:
    """Return whether the model has a vision tower; a model that is not known has one where the rows have images."""
    try:
        return "vision_config" in find_config(str(config.args["model"]))[0]
    except UserError:
        return HAS_IMAGES.get(prepared_dataset(values), False)
