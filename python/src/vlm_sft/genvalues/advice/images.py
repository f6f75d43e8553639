"""A warning when an image at its limit and the history do not fit into a row. Unit: tokens."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.image_tokens import max_image_tokens, token_side_px
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.prepared_rows import HAS_IMAGES, ROUND_TOKENS, longest_answers, prepared_dataset
from vlm_sft.genvalues.sizing.train_config import TrainConfig

Finding = tuple[tuple[str, ...], str]
_TOO_LONG = {"delete": "ms-swift leaves longer rows out", "split": "longer rows are split"}
_LIMITS = ("MAX_PIXELS", "IMAGE_MAX_TOKEN_NUM")  # the first that is set counts


def image_advice(values: dict[str, Any], config: TrainConfig) -> Iterator[Finding]:
    """Yield a finding when a full row is longer than train.args.max_length; none when rows may have no images."""
    try:
        max_length = config.argument("max_length", 0)
        image, key, unit = _image_limit(values, config) if max_length else (0, "", 1)
    except UserError:
        return  # reported as a wrong argument
    answers, dataset = longest_answers(values), prepared_dataset(values)
    text = (answers or 0) * ROUND_TOKENS
    if not image or image + text <= max_length:
        return
    parts = f"an image of {image} ({key if key in config.env else f'{key} is not set'})"
    if answers:
        rounds = values["prepare"]["maxHistoryRounds"]
        limit = f" (prepare.maxHistoryRounds: {rounds})" if rounds else ""
        parts += f" and {answers} answers with their feedback of about {ROUND_TOKENS} each{limit}"
    elif dataset:
        parts += f" and a text whose length is not known for {dataset}"
    is_known = bool(answers) or not dataset
    way_out = f"use {image + text}" if is_known else f"use more than {image}"
    if max_length > text:
        way_out += f", or train.env.{key}{':' if is_known else ' below'} {(max_length - text) * unit}"
    consequence = _TOO_LONG.get(config.argument("truncation_strategy", "delete"), "longer rows are cut")
    message = f"{max_length} tokens, but a row can have {image + text}: {parts}; {consequence}; {way_out}"
    yield ("train", "args", "max_length"), message


def _image_limit(values: dict[str, Any], config: TrainConfig) -> tuple[int, str, int]:
    """Return the maximum tokens of an image (0: none known), the variable that limits it and its units per token."""
    environment = config.environment
    given = next((name for name in _LIMITS if environment.get(name)), None)
    if given is None and not HAS_IMAGES.get(prepared_dataset(values)):
        return 0, "", 1
    try:
        vision = find_shape(str(config.args["model"])).vision
    except UserError:  # another model: only a limit in tokens means the same for all
        return (int(float(environment[given])), given, 1) if given == "IMAGE_MAX_TOKEN_NUM" else (0, "", 1)
    if vision is None:
        return 0, "", 1
    unit = token_side_px(vision) ** 2 if given == "MAX_PIXELS" else 1
    return max_image_tokens(vision, environment), given or "IMAGE_MAX_TOKEN_NUM", unit
