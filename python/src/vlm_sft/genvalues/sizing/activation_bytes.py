"""What one training step keeps for its backward pass, in bytes: the activations of a decoder layer, of a vision
block, and the logits.

Derivation. bf16 parameters under autocast, flash attention, the classes of transformers 5. A tensor counts when
autograd saves it; h = hidden, q and kv = width of the query and of the key heads, i = MLP width, per token:

    RMSNorm, twice        float32 input 4h each, and its bf16 result 2h each for the norm's weight   8h + 4h (full)
    q, k, v inputs        the norm's result                                                          2h      (full)
    q norm, k norm        float32 input 4(q + kv), result 2(q + kv) for their weights                6q + 6kv (full)
    attention             q, k, v and its output                                                     4q + 4kv
    gate and up inputs    the norm's result                                                          2h      (full)
    SwiGLU                gate, silu(gate), up, product                                              8i

    full: 16h + 10q + 10kv + 8i     (16h + 4q + 4kv + 8i without q and k norms)
    LoRA: frozen norms and matrices save no results or inputs, but each adapter saves its own bf16 copy of its input
    (PEFT converts it to the adapters' float32 first): 8h + 8q + 8kv + 6i + 2 * inputs of every adapter, which for
    all-linear is 18h + 10q + 8kv + 8i. Dropout adds its mask, 1 byte per input element on CUDA.

Gradient checkpointing keeps 2h per layer, and one layer whole while it is recomputed. On top of what is saved the
layer at work needs gradients of its own: 2h + 4i (full; 2q more with q and k norms), 10h + 6i (LoRA, whose float32
copies dominate). Logits, per kept token, at the log-softmax's backward: float32 log-probabilities 4V, their gradient
4V, and the gradient of the logits 4V. Every coefficient is held by tests against torch's own count of live bytes
(tests/bench/torch_peak.py); the layer formulas are exact but for a few floats per head.
Sources: Korthikanti et al., arXiv 2205.05198 (the method); Dao, arXiv 2307.08691 (what flash attention saves);
Hsu et al., arXiv 2410.10989 (Liger's chunked loss).
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
