"""NewExperiment: the user's answers about an experiment, and the values that follow from them."""

from dataclasses import dataclass
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.prepared_rows import HAS_IMAGES
from vlm_sft.genvalues.sizing.shape import Shape

IMAGE_ROW_TOKENS = 8192  # holds an image and the longest trajectories of FIRE; other dialogues are shorter
TEXT_ROW_TOKENS = 2048  # holds an Alpaca row many times over
IMAGE_TOKENS = 2048  # of an image at most: a quarter of the row
CORES_PER_GPU, MEMORY_GIB_PER_GPU = 8, 64  # the chart's defaults, which are for one GPU


@dataclass(frozen=True)
class NewExperiment:
    """The answers. `target` is the effective batch size in samples; `gpus` counts those of each node."""

    dataset: str  # one that the preparation converts (fire, alpaca, ...), or anything that ms-swift takes
    model: str
    gpus: int
    nodes: int
    target: int

    @property
    def has_images(self) -> bool:
        """Whether the dataset is known to have images."""
        return HAS_IMAGES.get(self.dataset, False)

    @property
    def world(self) -> int:
        """GPUs in all."""
        return self.gpus * self.nodes

    @property
    def gpus_text(self) -> str:
        """The GPUs as a product: `4 GPUs x 2 nodes`."""
        return f"{self.gpus} GPU{'s' * (self.gpus > 1)}" + (f" x {self.nodes} nodes" if self.nodes > 1 else "")


def first_values(new: NewExperiment) -> dict[str, Any]:
    """Return the values that differ from the chart's defaults, and train.sharding, which is still to be chosen.

    Raises:
        UserError: the target does not divide, or the model takes no images and the dataset has them.
    """
    if new.target % new.world:
        below = new.target // new.world * new.world
        in_all = f"{new.world} ({new.gpus_text})" if new.nodes > 1 else new.gpus_text
        near = f"{below} or {below + new.world}" if below else str(new.world)
        raise UserError(f"--target: {new.target} is not a multiple of {in_all}; use {near}")
    try:
        shape: Shape | None = find_shape(new.model)
    except UserError:
        shape = None  # not known here
    if new.has_images and shape is not None and shape.vision is None:
        raise UserError(
            f"--model: {new.model} sees no images, and {new.dataset} has them; use e.g. Qwen/Qwen3-VL-8B-Instruct"
        )
    values: dict[str, Any] = {"model": {"id": new.model}}
    if new.nodes > 1:
        values["storage"] = {"cache": {"accessMode": "ReadWriteMany"}}
    if new.dataset in HAS_IMAGES:
        values["prepare"] = {"dataset": new.dataset}
    values["train"] = _train(new, shape)
    return values


def _train(new: NewExperiment, shape: Shape | None) -> dict[str, Any]:
    train: dict[str, Any] = {"gpusPerNode": new.gpus}
    if new.nodes > 1:
        train["nodes"] = new.nodes
    if new.dataset not in HAS_IMAGES:
        train["dataset"] = [new.dataset]
    tokens = IMAGE_ROW_TOKENS if new.has_images else TEXT_ROW_TOKENS
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
    if new.has_images:
        train["env"] = {"IMAGE_MAX_TOKEN_NUM": IMAGE_TOKENS}
    if new.gpus > 1:
        amounts = {"cpu": CORES_PER_GPU * new.gpus, "memory": f"{MEMORY_GIB_PER_GPU * new.gpus}Gi"}
        train["resources"] = {"requests": amounts, "limits": amounts}
    return train
