"""Tokens of rows, counted with ms-swift's own template: text, control and image tokens."""

import os
import re
from dataclasses import dataclass
from statistics import median
from typing import Any

from vlm_sft.check.file_check import CheckedFile
from vlm_sft.check.finding import Place
from vlm_sft.check.json_lines import Range
from vlm_sft.check.readings import readings
from vlm_sft.check.swift_reader import Reading

SHOWN_CHARACTERS = 120
FAILURE = "not_encodable"


@dataclass(frozen=True)
class TokenFigures:
    """Tokens of the counted rows, images included."""

    rows: int
    median: float
    largest: int
    image_share: float  # of all tokens, 0 to 1
    over_max_length: int | None  # rows; None without a max_length


def control_tokens(template: Any) -> re.Pattern[str]:  # noqa: ANN401  ms-swift has no types
    """Return a pattern of the texts that the model's tokenizer reads as one control token."""
    names = {str(token) for token in template.tokenizer.get_added_vocab()}
    return re.compile("|".join(sorted(map(re.escape, names), key=len, reverse=True)) or r"(?!)")


def count_tokens(
    file: CheckedFile,
    template: Any,  # noqa: ANN401  ms-swift has no types
    image_root: str,
    max_length: int,
    rows: int,
) -> TokenFigures | None:
    """Encode about `rows` rows of a file, evenly spread; 0: all. Adds findings; None if no row can be encoded.

    `max_length` [tokens]: count longer rows; 0: no limit.
    """
    os.environ["ROOT_IMAGE_DIR"] = image_root
    step = max(1, file.tally.rows // rows) if rows else 1
    image_id = template.tokenizer.convert_tokens_to_ids(
        getattr(template.processor, "image_token", None) or "<|image_pad|>"
    )
    lengths, image_tokens, over = [], 0, 0
    part = None if file.is_array else Range(file.path, 0, file.size_bytes)
    for line, reading in readings(file.path, file.facts.plan, part, step):
        try:
            ids = template.encode(_sample(reading))["input_ids"]
        except Exception as error:
            detail = f"{type(error).__name__}: {' '.join(str(error).split())}"[:SHOWN_CHARACTERS]
            file.tally.findings.add(FAILURE, Place(line, "", detail))
            continue
        lengths.append(len(ids))
        image_tokens += ids.count(image_id)
        if max_length and len(ids) > max_length:
            over += 1
            file.tally.findings.add("over_max_length", Place(line, "", f"{len(ids):,} tokens, limit {max_length:,}"))
    if not lengths:
        return None
    return TokenFigures(
        len(lengths), median(lengths), max(lengths), image_tokens / sum(lengths), over if max_length else None
    )


def _sample(reading: Reading) -> dict[str, Any]:
    sample = {"messages": [{"role": message.role, "content": message.text} for message in reading.messages]}
    media = {name: list(getattr(reading, name)) for name in ("images", "videos", "audios")}
    return {**sample, **media, "objects": reading.objects}
