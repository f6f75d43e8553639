"""A warning when the predicted memory of a run exceeds that of the GPU that the values request."""

from collections.abc import Iterator
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.fit import suggestions
from vlm_sft.genvalues.sizing.gpu import gpus
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.sized_run import run_shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig

Finding = tuple[tuple[str, ...], str]


def memory_advice(values: dict[str, Any], config: TrainConfig) -> Iterator[Finding]:
    """Yield a finding when the expected peak does not fit; none for models of unknown shape."""
    if config.argument("use_cpu", False):
        return
    try:
        run = run_shape(config)
    except UserError:
        return  # another model: `genvalues memory --config config.json` sizes it
    name, room_gib = requested_gpu(values["gpu"])
    peak_gib = estimate(run).expected_gib
    if peak_gib <= room_gib:
        return
    ways = [" and ".join(one.changes) for one in suggestions(run, room_gib)[:1]]
    way_out = f"; it would fit with {ways[0]}" if ways else "; see `genvalues memory`"
    yield ("train",), f"needs about {peak_gib:.0f} GiB a GPU, {name} has {room_gib:.0f}{way_out}"


def requested_gpu(gpu: dict[str, Any]) -> tuple[str, float]:
    """Return name and memory [GiB] of the GPU that the values name; the largest known one where they name none.

    A product label in the node selector is exact (nvidia.com/gpu.product, or a cloud's own); a resource name such as
    nvidia.com/a100 names the family, of which the largest counts, so that no warning is wrong.
    """
    labels = map(str, gpu["nodeSelector"].values())  # a cloud has its own: cloud.google.com/gke-accelerator
    text = " ".join([*labels, gpu["resourceName"].rpartition("/")[2]]).lower()
    text = text.replace("rtx", "").replace("gb", "g")
    words = text.replace("-", " ").split()
    known = gpus()
    named = [key for key in known if key.partition("-")[0] in words]
    exact = [key for key in named if key.rpartition("-")[2] in words]
    candidates = exact or named or list(known)
    largest = max(candidates, key=lambda key: known[key].memory_gib)
    return known[largest].name, known[largest].memory_gib
