"""What one training step keeps for its backward pass, in bytes: decoder layers, vision blocks, logits.

Derivation and sources: README.md in this folder. h = hidden size, q and kv = width of the query and key heads.
"""

from dataclasses import dataclass

from vlm_sft.genvalues.sizing.lora import targets
from vlm_sft.genvalues.sizing.run_shape import RunShape
from vlm_sft.genvalues.sizing.shape import TextShape

BF16 = 2
FP32 = 4
LOGIT_BYTES = 12  # log-probabilities, their gradient and the logits' gradient, all float32
MASK_BYTES, CPU_MASK_BYTES = 1, 4  # native_dropout keeps a bool mask, the CPU's dropout a float one


def decoder_layer(run: RunShape) -> float:
    """Bytes per token that one decoder layer saves without checkpointing."""
    text = run.shape.text
    h, q, kv = text.hidden, text.q_dim, text.kv_dim
    floats_per_head = FP32 * (text.heads + 2 + (text.heads + text.kv_heads if text.qk_norm else 0))
    attention = 4 * q + 4 * kv + floats_per_head + _eager_scores(run)
    if run.lora is None:
        norms = 12 * h + (6 * (q + kv) if text.qk_norm else 0)
        if run.liger:
            norms = 4 * h + (6 * (q + kv) if text.qk_norm else 0)  # bf16 input alone; not the q and k norms
        if text.layer_norm:
            norms = (4 if run.on_cpu else 8) * h
        return norms + 4 * h + attention + _mlp(text, run.liger, is_full=True)
    norms = (4 if run.liger else 8) * h + (4 * (q + kv) if text.qk_norm else 0)
    return norms + attention + _mlp(text, run.liger, is_full=False) + _adapters(run) / text.layers


def working_layer(run: RunShape) -> float:
    """Bytes per token that the layer in its backward pass needs beside what it saved."""
    text = run.shape.text
    wide = text.intermediate * max(text.active_experts, 1)
    if run.lora is not None:
        return 10 * text.hidden + 6 * wide
    if run.gradient_checkpointing:
        return 2 * text.hidden + 4 * wide + (2 * text.q_dim if text.qk_norm else 0)
    return max(16 * text.hidden, 4 * wide)


def attention_mask(run: RunShape) -> int:
    """Bytes of the [batch, 1, tokens, tokens] bool mask that padded rows need with sdpa and eager attention."""
    is_masked = run.attention == "eager" or (run.attention == "sdpa" and run.batch_per_gpu > 1 and not run.packed)
    return run.batch_per_gpu * run.seq_len_tokens**2 if is_masked else 0


def kept_tokens(run: RunShape) -> int:
    """Tokens whose logits are computed: ms-swift's `use_logits_to_keep` drops the rest, not in Ulysses and Megatron."""
    drops = run.sequence_parallel == 1 and run.sharding != "megatron"
    share = run.supervised_share if drops else 1.0
    return max(1, round(run.batch_per_gpu * run.seq_len_tokens * share / run.sequence_parallel))


def logits(run: RunShape) -> int:
    """Bytes of the loss. Liger computes it in chunks whose logits are about as large as the hidden states."""
    text, tokens = run.shape.text, kept_tokens(run)
    if run.liger:
        chunks = -(-text.vocab // text.hidden)
        per_chunk = 1 << (-(-tokens // chunks) - 1).bit_length()
        head_gradient = FP32 * text.vocab * text.hidden if run.lora is None else 0
        return LOGIT_BYTES * text.vocab * per_chunk + BF16 * text.hidden * tokens + head_gradient
    split = run.tensor_parallel if run.sharding == "megatron" else 1
    return LOGIT_BYTES * text.vocab * tokens // split


def vision_block(run: RunShape) -> float:
    """Bytes per patch that one trained vision block saves without checkpointing.

    GELU: 22 d + 4 i. LayerNorm's input and output 8d, q and k in float32 for the rotation 8d less what is shared,
    q, k, v and output, GELU's input and output. Autocast runs LayerNorm in float32 on CUDA: 2d more, twice.
    """
    vision = run.shape.vision
    if vision is None:
        return 0.0
    d, wide = vision.hidden, vision.intermediate
    if vision.mlp == "swiglu":
        return 34 * d + 8 * wide
    return (22 if run.on_cpu else 26) * d + 4 * wide


@dataclass(frozen=True)
class Tower:
    """Bytes of the vision tower for one micro-batch; the working ones exist for a moment."""

    inputs: float = 0  # pixels as the processor gives them, float32
    saved: float = 0
    forward: float = 0
    backward: float = 0


def tower(run: RunShape) -> Tower:
    """Return the tower's bytes; a frozen one saves nothing (ms-swift runs it without autograd)."""
    vision = run.shape.vision
    if vision is None or not run.image_tokens:
        return Tower()
    patches = run.batch_per_gpu * run.image_tokens * vision.merge**2
    d = vision.hidden
    mergers = 1 + vision.deepstack
    width = vision.channels * vision.temporal * vision.patch_px**2
    block = vision_block(run)
    forward = 40 * d + vision.intermediate + BF16 * width
    saved = backward = 0.0
    if run.trains("vit"):
        per_block = BF16 * d if run.vit_gradient_checkpointing else block
        saved = vision.layers * per_block + mergers * 6 * d + BF16 * width + 8 * d  # 8d: interpolated positions
        backward = block + 2 * vision.intermediate
    elif run.trains("aligner"):
        saved = mergers * 8 * d  # input, norm, GELU's input and output
    return Tower(FP32 * width * patches, saved * patches, forward * patches, backward * patches)


def _mlp(text: TextShape, is_liger: bool, is_full: bool) -> int:
    if text.mlp == "gelu":
        return 2 * (4 * text.intermediate + text.intermediate)  # gelu_new is made of five elementwise steps
    if text.experts:  # routed copies of the input, both halves, their product, and the output to be weighted
        return text.active_experts * (8 * text.intermediate + (6 if is_full else 2) * text.hidden)
    return ((6 if is_liger else 8) if is_full else (4 if is_liger else 6)) * text.intermediate


def _adapters(run: RunShape) -> float:
    """Bytes per token that the adapters of the decoder save, all layers together."""
    if run.lora is None:
        return 0.0
    mask = (CPU_MASK_BYTES if run.on_cpu else MASK_BYTES) if run.lora.dropout else 0
    found = [linear for linear in targets(run.shape, run.lora, run.frozen) if linear.group == "llm"]
    return sum(linear.count * ((BF16 + mask) * linear.inputs + BF16 * run.lora.rank) for linear in found)


def _eager_scores(run: RunShape) -> int:
    """Eager attention keeps softmax in float32 and bf16 for every head and pair of tokens."""
    return (FP32 + BF16) * run.shape.text.heads * run.seq_len_tokens if run.attention == "eager" else 0
