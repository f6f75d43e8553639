"""A warning about paths that no pod sees: the folders of a laptop, such as /home/me/data."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.genvalues.sizing.train_config import TrainConfig

Finding = tuple[tuple[str, ...], str]
_CLAIMS = ("/cache", "/outputs")  # where the chart mounts them
_RELATIVE = ("./", "../", "~")  # no hub id starts with these


def path_advice(values: dict[str, Any], _config: TrainConfig) -> Iterator[Finding]:
    """Yield path and message of each model, dataset or folder that is on neither claim."""
    prepare, train = values["prepare"], values["train"]
    named = {
        ("model", "id"): [values["model"]["id"]],
        ("prepare", "input"): [prepare["input"]] if prepare["dataset"] else [],
        ("prepare", "imageRoots"): prepare["imageRoots"],
        ("train", "dataset"): train["dataset"],
        ("train", "valDataset"): train["valDataset"],
    }
    for path, places in named.items():
        for place in places:
            on_claim = any(place == claim or place.startswith(f"{claim}/") for claim in _CLAIMS)
            if place.startswith(("/", *_RELATIVE)) and not on_claim:
                message = f"{place} is on neither claim, and pods see no other files unless the image has them"
                yield path, f"{message}; copy it to a claim and name it below {' or '.join(_CLAIMS)}"
