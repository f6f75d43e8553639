"""Peak GPU memory of a run: the highest of the moments of a step, as a band. Unit: GiB (2**30 bytes).

The moments never coincide, so the peak is their maximum and not their sum; README.md in this folder lists them.
"""

from dataclasses import dataclass

from vlm_sft.genvalues.sizing import activation_bytes
from vlm_sft.genvalues.sizing.run_shape import RunShape
from vlm_sft.genvalues.sizing.state_bytes import States, states

GIB = 2**30
SLACK_GIB = 3.5  # reserved by the allocator but unused, nearly constant (4 to 14 billion parameters)
SLACK_SHARE = 0.15  # of activations and logits, whose sizes change from row to row
SLACK_LIMIT = 0.4  # of what is allocated, for models too small for SLACK_GIB
LOW, HIGH = 0.93, 1.15  # of the expected value: holds 29 of the 33 published peaks
CONTEXT_GIB = 0.5  # CUDA context and kernels
NCCL_GIB = 0.5  # communicators, where there are several ranks

MOMENT_NAMES = {
    "tower": "in the vision tower",
    "loss": "at the loss",
    "first": "in the backward pass of the last layer",
    "last": "in the backward pass of the first layer",
    "tower backward": "in the backward pass of the vision tower",
    "step": "in the optimizer step",
}


SLACK, CONTEXT = "allocator slack", "CUDA context, NCCL"


@dataclass(frozen=True)
class Estimate:
    """Peak of one GPU, by part [GiB], at the moment when it is highest."""

    moment: str
    parts: dict[str, float]

    @property
    def allocated_gib(self) -> float:
        """What torch counts: `torch.cuda.max_memory_allocated`."""
        return self.reserved_gib - self.parts[SLACK]

    @property
    def reserved_gib(self) -> float:
        """What ms-swift prints as memory(GiB): `torch.cuda.max_memory_reserved`."""
        return self.expected_gib - self.parts[CONTEXT]

    @property
    def expected_gib(self) -> float:
        """What nvidia-smi shows."""
        return sum(self.parts.values())

    @property
    def low_gib(self) -> float:
        """Lower end of the band."""
        return self.expected_gib * LOW

    @property
    def high_gib(self) -> float:
        """Upper end of the band."""
        return self.expected_gib * HIGH


@dataclass(frozen=True)
class _Load:
    """What one moment adds to the states, in bytes."""

    activations: float
    logits: float
    vision: float
    gradients: float  # share of them that exists
    buffers: float = 0


def estimate(run: RunShape) -> Estimate:
    """Return the peak of the fullest GPU."""
    held = states(run)
    loads = _loads(run, held)
    moment = max(loads, key=lambda name: _total(held, loads[name]))
    load = loads[moment]
    allocated = _total(held, load)
    parts_bytes = {
        "weights": held.weights,
        "adapters": held.adapters,
        "gradients": held.gradients * load.gradients,
        "optimizer states": held.optimizer,
        "activations": load.activations,
        "logits": load.logits,
        "vision tower": load.vision,
        "buffers": held.buffers + load.buffers,
    }
    parts = {name: size / GIB for name, size in parts_bytes.items()}
    parts[SLACK] = 0.0 if run.on_cpu else _slack_gib(allocated / GIB, load)
    parts[CONTEXT] = 0.0 if run.on_cpu else CONTEXT_GIB + (NCCL_GIB if run.world > 1 else 0.0)
    return Estimate(moment, parts)


def _slack_gib(allocated_gib: float, load: _Load) -> float:
    changing = load.activations + load.logits + load.vision
    return min(SLACK_GIB, SLACK_LIMIT * allocated_gib) + SLACK_SHARE * changing / GIB


def _loads(run: RunShape, held: States) -> dict[str, _Load]:
    text, tokens = run.shape.text, run.tokens_per_gpu
    layers = -(-text.layers // run.pipeline_parallel)
    in_flight = run.pipeline_parallel  # micro-batches of the first pipeline stage
    whole = activation_bytes.decoder_layer(run) * tokens
    working = activation_bytes.working_layer(run) * tokens
    saved = layers * (2 * text.hidden * tokens if run.gradient_checkpointing else whole) * in_flight
    saved += 12 * text.hidden * tokens  # embeddings, final norm in float32 and its result
    saved += activation_bytes.attention_mask(run)
    recomputed = whole + working if run.gradient_checkpointing else working
    tower = activation_bytes.tower(run)
    # A tied table gets its gradient twice, from the head and from the embedding, before the two are added.
    tied = 4 * text.vocab * text.hidden if text.tied and run.trained and run.trains("llm") else 0
    before = 1.0 if run.accumulation > 1 or run.sharding == "megatron" else 0.0  # gradients of earlier micro-batches
    counts = run.parameters
    trained_tower = counts.vision * run.trains("vit") + counts.aligner * run.trains("aligner")
    decoder = max(before, 1 - trained_tower / run.trained) if run.trained else 1.0
    return {
        "tower": _Load(0, 0, tower.inputs + tower.forward, before),
        "loss": _Load(saved, activation_bytes.logits(run), tower.inputs + tower.saved, before),
        "first": _Load(saved + recomputed, 0, tower.inputs + tower.saved, before),
        "last": _Load(max(recomputed, tied), 0, tower.inputs + tower.saved, decoder),
        "tower backward": _Load(0, 0, tower.inputs + tower.backward, 1.0),
        "step": _Load(0, 0, tower.inputs, 1.0, held.step),
    }


def _total(held: States, load: _Load) -> float:
    gradients = held.gradients * load.gradients
    constant = held.weights + held.adapters + held.optimizer + held.buffers
    return constant + gradients + load.activations + load.logits + load.vision + load.buffers
