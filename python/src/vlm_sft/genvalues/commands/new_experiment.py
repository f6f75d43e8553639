"""NewExperiment: the user's answers about an experiment, and the values that follow from them."""

from dataclasses import dataclass
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.shape import Shape

ALPACA = "vicgalle/alpaca-gpt4"  # 52,002 rows of text
FIRE_TOKENS = 8192  # holds an image and the longest trajectories of FIRE
OTHER_TOKENS = 2048  # holds an Alpaca row many times over
FIRE_IMAGE_TOKENS = 2048  # of an image at most: a quarter of the row
CORES_PER_GPU, MEMORY_GIB_PER_GPU = 8, 64  # the chart's defaults, which are for one GPU


@dataclass(frozen=True)
class NewExperiment:
    """The answers. `target` is the effective batch size in samples; `gpus` counts those of each node."""

    dataset: str  # fire, alpaca, or anything that ms-swift takes
    model: str
    gpus: int
    nodes: int
    target: int

    @property
    def world(self) -> int:
        """GPUs in all."""
        return self.gpus * self.nodes


def first_values(new: NewExperiment) -> dict[str, Any]:
    """Return the values that differ from the chart's defaults, and train.sharding, which is still to be chosen.

    Raises:
        UserError: the target does not divide, or the model takes no images and the dataset has them.
    """
    if new.target % new.world:
        below = new.target // new.world * new.world
        near = f"{below} or {below + new.world}" if below else str(new.world)
        raise UserError(f"--target: {new.target} is not a multiple of {_gpus(new)}; use {near}")
    try:
        shape: Shape | None = find_shape(new.model)
    except UserError:
        shape = None  # not known here
    if new.dataset == "fire" and shape is not None and shape.vision is None:
        raise UserError(
            f"--model: {new.model} sees no images, and fire has one in every row; use e.g. Qwen/Qwen3-VL-8B-Instruct"
        )
    values: dict[str, Any] = {"model": {"id": new.model}}
    if new.nodes > 1:
        values["storage"] = {"cache": {"accessMode": "ReadWriteMany"}}
    if new.dataset == "fire":
        values["prepare"] = {"dataset": "fire"}
    values["train"] = _train(new, shape)
    return values


def _train(new: NewExperiment, shape: Shape | None) -> dict[str, Any]:
    train: dict[str, Any] = {"gpusPerNode": new.gpus}
    if new.nodes > 1:
        train["nodes"] = new.nodes
    if new.dataset != "fire":
        train["dataset"] = [ALPACA if new.dataset == "alpaca" else new.dataset]
    tokens = FIRE_TOKENS if new.dataset == "fire" else OTHER_TOKENS
    if shape is not None and shape.text.learned_positions:
        tokens = min(tokens, shape.text.learned_positions)
    train["effectiveBatchSize"] = new.target
    train["sharding"] = "ddp"
    train["args"] = {
        "tuner_type": "lora",
        "lora_rank": 16,
        "lora_alpha": 32,
        "target_modules": "all-linear",
        "num_train_epochs": 1,
        "learning_rate": 1e-4,
        "warmup_ratio": 0.05,
        "max_length": tokens,
    }
    if new.dataset == "fire":
        train["env"] = {"IMAGE_MAX_TOKEN_NUM": FIRE_IMAGE_TOKENS}
    if new.gpus > 1:
        amounts = {"cpu": CORES_PER_GPU * new.gpus, "memory": f"{MEMORY_GIB_PER_GPU * new.gpus}Gi"}
        train["resources"] = {"requests": amounts, "limits": amounts}
    return train


def _gpus(new: NewExperiment) -> str:
    text = f"{new.gpus} GPU{'s' if new.gpus > 1 else ''}"
    return f"{new.world} ({text} x {new.nodes} nodes)" if new.nodes > 1 else text
