"""A local model folder in Hugging Face format: files that training would miss only after the weights are read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WEIGHTS = ("*.safetensors", "*.bin")
# One of these holds the vocabulary: fast, GPT-2, BERT, SentencePiece, tiktoken, Mistral
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model", "*.tiktoken", "tekken.json")
# Settings of the image processor; transformers 5 writes only the second
IMAGE_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


def missing(folder: Path) -> Iterator[str]:
    """Yield one line for each kind of file that the folder lacks."""
    config = model_config(folder / "config.json")
    if config is None:
        yield f"{folder} has no config.json; give a folder in Hugging Face format"
        return
    if not _has(folder, WEIGHTS):
        yield f"{folder} has no weights (*.safetensors); copy the whole model"
    # A model with code of its own may have files of its own, too.
    if "auto_map" in config:
        return
    if not _has(folder, VOCABULARIES):
        yield f"{folder} has no tokenizer (tokenizer.json, vocab.json or tokenizer.model); copy the whole model"
    if "vision_config" in config and not _has(folder, IMAGE_PROCESSORS):
        yield (
            f"{folder} has no preprocessor_config.json, but its config.json has a vision_config, so images need it; "
            "copy the whole model"
        )


def model_config(file: Path) -> dict[str, Any] | None:
    """Return config.json, empty where it is no JSON object; None if there is none."""
    if not file.is_file():
        return None
    try:
        config = json.loads(file.read_bytes())
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _has(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))
