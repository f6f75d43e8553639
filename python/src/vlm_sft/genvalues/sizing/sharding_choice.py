"""SizedRun: the first way to place a model on its GPUs that fits by the estimate, the fastest first."""

import re
from dataclasses import dataclass, replace

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.fit import suggestions
from vlm_sft.genvalues.sizing.gpu import Gpu
from vlm_sft.genvalues.sizing.memory import Estimate, estimate
from vlm_sft.genvalues.sizing.run_shape import RunShape, Sharding
from vlm_sft.genvalues.sizing.sized_run import batch_of, run_shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig

SHARDED_ABOVE = 20  # billions of parameters: in bfloat16 half of an 80 GiB GPU; for models whose shape is not known
_BILLIONS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)B(?![a-z])", re.IGNORECASE)  # of Qwen3-VL-30B-A3B: 30


@dataclass(frozen=True)
class SizedRun:
    """How to place the model, and what comes of it in words; `fits` is None where the model's sizes are not known."""

    sharding: str
    liger: bool
    fits: bool | None
    verdict: str


def choose(config: TrainConfig, gpu: Gpu) -> SizedRun:
    """Return ddp where the whole model fits on every GPU, else zero3; with fused logits (liger) where that is needed.

    `config` is the run under ddp.
    """
    try:
        run = run_shape(config)
    except UserError:
        return _by_name(str(config.args["model"]), batch_of(config).ranks)
    ways = _ways(run)
    for way in ways:
        peak = estimate(way)
        if peak.high_gib <= gpu.memory_gib:
            return SizedRun(way.sharding, way.liger, True, f"{_peak(peak)}: fits {_room(gpu)}")
    return _too_large(ways[-1], gpu)


def _ways(run: RunShape) -> list[RunShape]:
    """Return the ways to try, fastest first; liger has no kernels for GPT-2."""
    shardings: list[Sharding] = ["ddp", "zero3"] if run.world > 1 else ["ddp"]
    fused = [False] if run.shape.text.layer_norm else [False, True]
    return [replace(run, sharding=sharding, liger=liger) for sharding in shardings for liger in fused]


def _too_large(run: RunShape, gpu: Gpu) -> SizedRun:
    peak = estimate(run)
    verb = "may not fit" if peak.expected_gib <= gpu.memory_gib else "does not fit"
    verdict = f"{_peak(peak)}: {verb} {_room(gpu)}; "
    found = suggestions(run, gpu.memory_gib)
    verdict += f"what would: {'; '.join(found[0].changes)}" if found else "take a larger GPU or a smaller model"
    return SizedRun(run.sharding, run.liger, False, verdict)


def _by_name(model: str, world: int) -> SizedRun:
    sizes = [float(size) for size in _BILLIONS.findall(model.rpartition("/")[2])]
    is_large = bool(sizes) and sizes[0] > SHARDED_ABOVE
    verdict = "whether it fits is not known: run `genvalues memory` with --config and the model's config.json"
    return SizedRun("zero3" if is_large and world > 1 else "ddp", False, None, verdict)


def _peak(peak: Estimate) -> str:
    return f"about {peak.expected_gib:.0f} GiB a GPU, at most {peak.high_gib:.0f}"


def _room(gpu: Gpu) -> str:
    return f"the {gpu.memory_gib:.0f} GiB of {gpu.name}"
