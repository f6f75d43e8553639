"""Input tokens of each layout, counted with ms-swift's own template: text, control and image tokens."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlm_sft.datasets.conversation import Conversation
from vlm_sft.errors import UserError
from vlm_sft.prepare.swift_row import LAYOUTS, SampleFormat, samples

COUNTED_TRAJECTORIES = 200  # the first ones of each split; 40 ms per sample with an image of 640 x 480


class TokenCounter:
    """Encodes samples as the training does, including image sizes and IMAGE_MAX_TOKEN_NUM."""

    def __init__(self, model: str) -> None:
        """Load the tokenizer and image processor of `model`, a folder or an id; not its weights.

        Raises:
            UserError: ms-swift is not installed, or does not support the model.
        """
        try:
            from swift.template import get_template
        except ImportError as error:
            raise UserError("--count-tokens: needs ms-swift; install vlm-sft[train], or omit it") from error
        self._template = get_template(_processor(model))
        self._template.set_mode("train")

    def count(self, conversations: Sequence[tuple[Conversation, Sequence[str]]], form: SampleFormat) -> dict[str, Any]:
        """Return the number of counted trajectories, and the input tokens of each layout."""
        counts: dict[str, Any] = {"trajectories": len(conversations)} | dict.fromkeys(LAYOUTS, 0)
        for layout in LAYOUTS:
            in_layout = replace(form, layout=layout)
            for conversation, images in conversations:
                for sample in samples(conversation, images, in_layout):
                    counts[layout] += len(self._template.encode(sample)["input_ids"])
        return counts


def _processor(model: str) -> Any:  # noqa: ANN401  ms-swift has no types
    """Load a processor. If ms-swift finds several model types for a local folder, use the type in its config.json."""
    from swift.model import get_processor

    try:
        return get_processor(model, use_hf=True)
    except ValueError as error:
        config = Path(model) / "config.json"
        if not config.is_file():
            raise UserError(f"--count-tokens: {model}: {error}") from error
        return get_processor(model, use_hf=True, model_type=json.loads(config.read_bytes())["model_type"])
