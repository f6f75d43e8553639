"""LoRA: which linear layers get adapters, and how many parameters these have. Unit: parameters."""

from collections.abc import Collection
from dataclasses import dataclass

from vlm_sft.genvalues.sizing.linear import Group, Linear, linears
from vlm_sft.genvalues.sizing.shape import Shape

ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class Lora:
    """LoRA settings in ms-swift's terms and with its defaults."""

    rank: int = 8
    dropout: float = 0.05
    target_modules: tuple[str, ...] = (ALL_LINEAR,)


def targets(shape: Shape, lora: Lora, frozen: Collection[Group]) -> list[Linear]:
    """Return the linear layers that get adapters.

    `all-linear` means every nn.Linear of the groups that are not frozen (ms-swift's `find_all_linears`: the head
    is left out). A list of names is matched by PEFT against the end of each module's path, frozen or not.
    """
    found = linears(shape)
    if ALL_LINEAR in lora.target_modules:
        return [linear for linear in found if linear.is_linear and linear.group not in frozen]
    return [linear for linear in found if any(f".{linear.name}".endswith(f".{name}") for name in lora.target_modules)]


def lora_parameters(shape: Shape, lora: Lora, frozen: Collection[Group]) -> int:
    """Return rank x (inputs + outputs), summed over the matrices with adapters (Hu et al., arXiv 2106.09685)."""
    return sum(lora.rank * (linear.inputs + linear.outputs) * linear.count for linear in targets(shape, lora, frozen))
