"""ms-swift's template of a model: what turns a row into tokens, labels and image tensors, without the weights."""

import json
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError


def load_template(model: str, option: str) -> Any:  # noqa: ANN401  ms-swift has no types
    """Return the template of `model`, a folder or ID[@REVISION], in training mode; `option` is named in errors.

    Raises:
        UserError: ms-swift is not installed, or does not support the model.
    """
    try:
        from swift.template import get_template
    except ImportError as error:
        raise UserError(f"{option}: needs ms-swift; install vlm-sft[train], or omit it") from error
    template = get_template(_processor(model, option))
    template.set_mode("train")
    return template


def _processor(model: str, option: str) -> Any:  # noqa: ANN401  ms-swift has no types
    """Load a processor. If ms-swift finds several model types for a local folder, use the type in its config.json."""
    from swift.model import get_processor

    name, _, revision = (model, "", "") if Path(model).exists() else model.partition("@")
    try:
        return get_processor(name, use_hf=True, revision=revision or None)
    except ValueError as error:
        config = Path(model) / "config.json"
        if not config.is_file():
            raise UserError(f"{option}: {model}: {error}") from error
        return get_processor(model, use_hf=True, model_type=json.loads(config.read_bytes())["model_type"])
