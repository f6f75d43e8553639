"""Input tokens of each layout, counted with ms-swift's own template: text, control and image tokens."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vlm_sft.datasets.conversation import Conversation
from vlm_sft.prepare.swift_row import LAYOUTS, SampleFormat, samples
from vlm_sft.prepare.swift_template import load_template

COUNTED_TRAJECTORIES = 200  # the first ones of each split; 40 ms per sample with an image of 640 x 480


class TokenCounter:
    """Encodes samples as the training does, including image sizes and IMAGE_MAX_TOKEN_NUM."""

    def __init__(self, model: str) -> None:
        """Load the tokenizer and image processor of `model`, a folder or an id; not its weights.

        Raises:
            UserError: ms-swift is not installed, or does not support the model.
        """
        self._template = load_template(model, "--count-tokens")

    def count(self, conversations: Sequence[tuple[Conversation, Sequence[str]]], form: SampleFormat) -> dict[str, Any]:
        """Return the number of counted trajectories, and the input tokens of each layout."""
        counts: dict[str, Any] = {"trajectories": len(conversations)} | dict.fromkeys(LAYOUTS, 0)
        for layout in LAYOUTS:
            in_layout = replace(form, layout=layout)
            for conversation, images in conversations:
                for sample in samples(conversation, images, in_layout):
                    counts[layout] += len(self._template.encode(sample)["input_ids"])
        return counts
