"""The place of this node in a run, from the variables that the chart or a Kubeflow TrainJob sets."""

from collections.abc import Mapping
from dataclasses import dataclass

from vlm_sft.errors import ConfigError

DEFAULT_PORT = 29500  # torchrun's own
# The names of ms-swift and the chart; a TrainJob sets torchrun's names, with the prefix PET_.
NAMES = ("NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """Node `rank` of `nodes`; node 0 serves the rendezvous under the name `master`."""

    nodes: int
    rank: int
    master: str
    port: int


def read_place(env: Mapping[str, str]) -> Place:
    """Read the place of this node; a single node needs no variables.

    Raises:
        ConfigError: several nodes, and a variable is missing or out of range.
    """
    given = {name: env.get(name) or env.get(f"PET_{name}", "") for name in NAMES}
    nodes = _integer("NNODES", given["NNODES"] or "1", 1, 1 << 16)
    if nodes == 1:
        return Place(1, 0, "127.0.0.1", 0)
    for name in ("NODE_RANK", "MASTER_ADDR"):
        if not given[name]:
            raise ConfigError(
                f"{name}: not set, and NNODES is {nodes}; each node needs NODE_RANK (0 to {nodes - 1}) and "
                "MASTER_ADDR, the name of node 0"
            )
    return Place(
        nodes,
        _integer("NODE_RANK", given["NODE_RANK"], 0, nodes - 1),
        given["MASTER_ADDR"],
        _integer("MASTER_PORT", given["MASTER_PORT"] or str(DEFAULT_PORT), 1, 65535),
    )


def _integer(name: str, text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ConfigError(f"{name}: got {text!r}, need a whole number from {low} to {high}")
    return int(text)
