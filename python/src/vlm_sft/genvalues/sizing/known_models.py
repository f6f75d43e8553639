"""The models whose published configs come with the package, each with its source."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.shape import Shape, from_config
from vlm_sft.suggest import closest

_FILE = Path(__file__).with_name("model_shapes.json")


@cache
def known_models() -> dict[str, dict[str, Any]]:
    """Return {id: {"source": where the values were read, "config": config.json}}."""
    models: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return models


def find_shape(model: str, config: Path | None = None) -> Shape:
    """Return the shape of `config`, else of a local folder's config.json, else of the known model `model`.

    Raises:
        UserError: the file cannot be read, or the model is not known.
    """
    return from_config(*find_config(model, config))


def find_config(model: str, config: Path | None = None) -> tuple[dict[str, Any], str]:
    """Return the config.json that `find_shape` reads, and its file or the model's id.

    The name after the last slash is enough, so that a copy under /cache/models/Qwen3-8B is found too.

    Raises:
        UserError: the file cannot be read, or the model is not known.
    """
    if config is None and (Path(model) / "config.json").is_file():
        config = Path(model) / "config.json"
    if config is not None:
        return _read(config), str(config)
    by_name = {key.rpartition("/")[2].casefold(): key for key in known_models()}
    name = model.rstrip("/").rpartition("/")[2]
    key = by_name.get(name.casefold())
    if key is None:
        near = closest(name, by_name)
        hint = f"did you mean {by_name[near]}? " if near else ""
        raise UserError(
            f"model.id: the sizes of {model!r} are not known; {hint}give its file with --config config.json"
        )
    return known_models()[key]["config"], key


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: is no config.json of a model, whose top level is an object")
    return config
