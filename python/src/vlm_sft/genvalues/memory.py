"""Peak GPU memory of a run: what is highest of the moments of a step, as a band. Unit: GiB (2**30 bytes).

The moments never coincide, so the peak is their maximum and not their sum:

    loss       states + everything saved for the backward pass + logits
    first      states + saved + the last layer at work (recomputed first, with checkpointing)
    last       states + all gradients + the first layer or the vision tower at work
    step       states + gradients + what the optimizer needs for a moment

`allocated` is what torch counts as live; the caching allocator reserves more, and the driver's context is outside of
both. SLACK and the band come from the published peaks in MEMORY.md.
"""

from dataclasses import dataclass
from typing import Literal

from vlm_sft.genvalues import activation_bytes
from vlm_sft.genvalues.run_shape import RunShape
from vlm_sft.genvalues.state_bytes import States, states

GIB = 2**30
SLACK = 0.15  # reserved but unused, as a share of what is allocated
LOW, HIGH = 0.90, 1.15  # of the expected value
CONTEXT_GIB = 0.5  # CUDA context and kernels
NCCL_GIB = 0.5  # communicators, where there are several ranks

Moment = Literal["loss", "first", "last", "step"]
MOMENT_NAMES: dict[Moment, str] = {
    "loss": "at the loss",
    "first": "in the backward pass of the last layer",
    "last": "at the end of the backward pass",
    "step": "in the optimizer step",
}


@dataclass(frozen=True)
class Estimate:
    """Peak of one GPU, by part, at the moment when it is highest."""

    moment: Moment
    weights_gib: float
    adapters_gib: float
    gradients_gib: float
    optimizer_gib: float
    activations_gib: float
    logits_gib: float
    vision_gib: float
    buffers_gib: float
    slack_gib: float
    context_gib: float

    @property
    def allocated_gib(self) -> float:
        """What torch counts: `torch.cuda.max_memory_allocated`."""
        return self.reserved_gib - self.slack_gib

    @property
    def reserved_gib(self) -> float:
        """What ms-swift prints as memory(GiB): `torch.cuda.max_memory_reserved`."""
        return self.expected_gib - self.context_gib

    @property
    def expected_gib(self) -> float:
        """What nvidia-smi shows."""
        return sum(self.parts().values())

    @property
    def low_gib(self) -> float:
        """Lower end of the band."""
        return self.expected_gib * LOW

    @property
    def high_gib(self) -> float:
        """Upper end of the band."""
        return self.expected_gib * HIGH

    def parts(self) -> dict[str, float]:
        """Return {what: GiB}, in the order of the fields."""
        return {
            "weights": self.weights_gib,
            "adapters": self.adapters_gib,
            "gradients": self.gradients_gib,
            "optimizer states": self.optimizer_gib,
            "activations": self.activations_gib,
            "logits": self.logits_gib,
            "vision tower": self.vision_gib,
            "buffers": self.buffers_gib,
            "allocator slack": self.slack_gib,
            "CUDA context, NCCL": self.context_gib,
        }


@dataclass(frozen=True)
class _Load:
    """What one moment adds to the states, in bytes."""

    activations: float = 0
    logits: float = 0
    vision: float = 0
    buffers: float = 0
    has_gradients: bool = True


def estimate(run: RunShape) -> Estimate:
    """Return the peak of the fullest GPU."""
    held = states(run)
    loads = _loads(run, held)
    moment = max(loads, key=lambda name: _total(held, loads[name]))
    load = loads[moment]
    allocated = _total(held, load)
    return Estimate(
        moment=moment,
        weights_gib=held.weights / GIB,
        adapters_gib=held.adapters / GIB,
        gradients_gib=held.gradients / GIB if load.has_gradients else 0.0,
        optimizer_gib=held.optimizer / GIB,
        activations_gib=load.activations / GIB,
        logits_gib=load.logits / GIB,
        vision_gib=load.vision / GIB,
        buffers_gib=(held.buffers + load.buffers) / GIB,
        slack_gib=0.0 if run.on_cpu else allocated / GIB * SLACK,
        context_gib=0.0 if run.on_cpu else CONTEXT_GIB + (NCCL_GIB if run.world > 1 else 0.0),
    )


def _loads(run: RunShape, held: States) -> dict[Moment, _Load]:
    text, tokens = run.shape.text, run.tokens_per_gpu
    layers = -(-text.layers // run.pipeline_parallel)
    in_flight = run.pipeline_parallel  # micro-batches of the first pipeline stage
    whole = activation_bytes.decoder_layer(run) * tokens
    working = activation_bytes.working_layer(run) * tokens
    checkpoint = 2 * text.hidden * tokens
    saved = layers * (checkpoint if run.gradient_checkpointing else whole) * in_flight
    saved += 12 * text.hidden * tokens  # embeddings, final norm in float32 and its result
    saved += activation_bytes.attention_mask(run)
    recomputed = whole + working if run.gradient_checkpointing else working
    patches = _patches(run)
    tower = activation_bytes.vision_saved(run) * patches if patches else 0.0
    tower_work = activation_bytes.vision_work(run) * patches if patches else 0.0
    accumulates = run.accumulation > 1 or run.sharding == "megatron"
    tied = 4 * text.vocab * text.hidden if text.tied and run.trained and run.trains("llm") else 0
    return {
        "loss": _Load(saved, activation_bytes.logits(run), tower, has_gradients=accumulates),
        "first": _Load(saved + recomputed, 0, tower, has_gradients=accumulates),
        "last": _Load(recomputed, 0, max(tower, tower + tower_work - recomputed), buffers=tied),
        "step": _Load(buffers=held.step),
    }


def _patches(run: RunShape) -> int:
    """Patches per GPU: Megatron and Ulysses run the tower on every rank in full."""
    if run.shape.vision is None:
        return 0
    return run.batch_per_gpu * run.image_tokens * run.shape.vision.merge**2


def _total(held: States, load: _Load) -> float:
    gradients = held.gradients if load.has_gradients else 0
    constant = held.weights + held.adapters + held.optimizer + held.buffers
    return constant + gradients + load.activations + load.logits + load.vision + load.buffers
