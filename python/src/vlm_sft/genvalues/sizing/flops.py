"""FLOPs of one training step's forward and backward passes. Unit: FLOP (a multiply-add is two).

Derivation. A matrix of n elements costs 2n per token forward; backward costs 2n for the gradient of its input and 2n
for the gradient of the matrix, if that is trained (Kaplan et al., arXiv 2001.08361: 6N in all; 4N with frozen weights
and LoRA). Recomputing the forward pass adds 2n, but for each layer's last matrix. Causal attention over rows of s
tokens costs 2 * 2 * q * s / 2 per token and layer forward, twice that backward, and is recomputed too. A frozen tower
runs forward only. Experts: the active ones count. Norms, rotations and softmax are left out: below 1 %.
"""

from dataclasses import dataclass

from vlm_sft.genvalues.sizing.linear import Linear, decoder_linears, linears
from vlm_sft.genvalues.sizing.run_shape import RunShape

# Each layer's last matrix: torch's checkpoint stops recomputing when everything that was saved is there again.
_LAST = ("mlp.down_proj", "mlp.c_proj")


@dataclass(frozen=True)
class RowFlops:
    """One row of `seq_len_tokens` tokens."""

    decoder: float
    attention: float
    head: float
    tower: float
    recomputed: float

    @property
    def model(self) -> float:
        """What model FLOPs utilisation (MFU) counts: without recomputation."""
        return self.decoder + self.attention + self.head + self.tower

    @property
    def hardware(self) -> float:
        """All that the GPU computes."""
        return self.model + self.recomputed


def row_flops(run: RunShape) -> RowFlops:
    """Return the FLOPs of one row, forward and backward."""
    text, tokens = run.shape.text, run.seq_len_tokens
    is_full = run.lora is None and run.trains("llm")
    active = text.layers * text.hidden * (text.experts + 3 * text.intermediate * text.active_experts)
    matrices = sum(linear.size for linear in decoder_linears(text)) + active + run.adapters
    decoder = 2.0 * matrices * tokens
    attention = 2.0 * text.layers * text.q_dim * tokens**2  # causal: half of the pairs
    head = 2.0 * text.vocab * text.hidden * tokens * run.supervised_share
    passes = 3 if is_full else 2
    tower_forward = _tower(run)
    trains_tower = run.shape.vision is not None and run.trains("vit")
    tower_passes = (3 if run.lora is None else 2) if trains_tower else 1
    last = sum(linear.size for linear in decoder_linears(text) if linear.name in _LAST)
    recomputed = (decoder - 2.0 * last * tokens + attention) * run.gradient_checkpointing
    recomputed += tower_forward * (trains_tower and run.vit_gradient_checkpointing)
    return RowFlops(decoder * passes, attention * 3, head * passes, tower_forward * tower_passes, recomputed)


def _tower(run: RunShape) -> float:
    vision = run.shape.vision
    if vision is None or not run.image_tokens:
        return 0.0
    found: list[Linear] = linears(run.shape)
    patches = run.image_tokens * vision.merge**2
    blocks = 2.0 * sum(linear.size for linear in found if linear.group == "vit") * patches
    mergers = 2.0 * sum(linear.size for linear in found if linear.group == "aligner") * run.image_tokens
    window = (vision.window_px // vision.patch_px) ** 2 if vision.window_px else patches
    windowed = vision.layers - vision.full_attention_layers
    pairs = vision.full_attention_layers * patches**2 + windowed * patches * min(window, patches)
    return blocks + mergers + 4.0 * vision.hidden * pairs
