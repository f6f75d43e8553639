"""Shape: the sizes in a Hugging Face config.json that decide parameters, memory and FLOPs. Unit: elements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlm_sft.errors import UserError

Config = Mapping[str, Any]
Mlp = Literal["swiglu", "gelu"]  # gate, up and down, or two matrices

# model_type of the text model -> (bias on q, k and v; RMSNorm on q and k)
_LLAMA_LIKE = {
    "llama": (False, False),
    **dict.fromkeys(("qwen2", "qwen2_5_vl", "qwen2_5_vl_text"), (True, False)),
    **dict.fromkeys(
        ("qwen3", "qwen3_moe", "qwen3_vl", "qwen3_vl_moe", "qwen3_vl_moe_text", "qwen3_vl_text"), (False, True)
    ),
}
_VISION = ("qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")


@dataclass(frozen=True)
class TextShape:
    """A decoder. `experts` 0 means a dense MLP of `intermediate`; else `experts` MLPs of `intermediate` each."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    tied: bool
    mlp: Mlp = "swiglu"
    qkv_bias: bool = False
    other_bias: bool = False  # on o and the MLP; GPT-2 only
    qk_norm: bool = False
    layer_norm: bool = False  # LayerNorm (weight and bias) instead of RMSNorm
    learned_positions: int = 0
    experts: int = 0
    active_experts: int = 0

    @property
    def q_dim(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of all key heads together (the value heads are as wide)."""
        return self.kv_heads * self.head_dim


@dataclass(frozen=True)
class VisionShape:
    """A vision transformer with its mergers, which make `merge`**2 patches one token of the decoder."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    out_hidden: int
    patch_px: int
    merge: int
    temporal: int
    channels: int
    mlp: Mlp
    learned_positions: int
    deepstack: int  # mergers beside the last one, whose tokens are added to early decoder layers
    window_px: int  # attention window, 0 for none
    full_attention_layers: int


@dataclass(frozen=True)
class Shape:
    """One model."""

    text: TextShape
    vision: VisionShape | None


def from_config(config: Config, name: str = "config.json") -> Shape:
    """Read the shape of a GPT-2, Llama, Qwen2, Qwen3, Qwen2.5-VL or Qwen3-VL model, dense or of experts.

    Raises:
        UserError: another family, or a size that is missing.
    """
    kind = config.get("model_type")
    try:
        if kind == "gpt2":
            return Shape(_gpt2(config), None)
        if kind in _VISION:
            text = dict(config.get("text_config") or config)
            text.setdefault("tie_word_embeddings", config.get("tie_word_embeddings", False))
            return Shape(_llama_like(text), _vision(config["vision_config"], kind))
        if kind in _LLAMA_LIKE:
            return Shape(_llama_like(config), None)
    except KeyError as error:
        raise UserError(f"{name}: has no {error.args[0]}, which a {kind} model needs") from None
    known = ", ".join(sorted({"gpt2", *_VISION, *(key for key in _LLAMA_LIKE if not key.endswith("_text"))}))
    raise UserError(f"{name}: model_type {kind!r} is not known here; known are {known}")


def _llama_like(config: Config) -> TextShape:
    qkv_bias, qk_norm = _LLAMA_LIKE[config["model_type"]]
    heads = config["num_attention_heads"]
    experts = config.get("num_experts", 0)
    return TextShape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        intermediate=config["moe_intermediate_size"] if experts else config["intermediate_size"],
        vocab=config["vocab_size"],
        tied=config.get("tie_word_embeddings", False),
        qkv_bias=qkv_bias or config.get("attention_bias", False),
        qk_norm=qk_norm,
        experts=experts,
        active_experts=config["num_experts_per_tok"] if experts else 0,
    )


def _gpt2(config: Config) -> TextShape:
    hidden, heads = config["n_embd"], config["n_head"]
    return TextShape(
        layers=config["n_layer"],
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        intermediate=config.get("n_inner") or 4 * hidden,  # GPT-2's own default
        vocab=config["vocab_size"],
        tied=config.get("tie_word_embeddings", True),
        mlp="gelu",
        qkv_bias=True,
        other_bias=True,
        layer_norm=True,
        learned_positions=config["n_positions"],
    )


def _vision(config: Config, kind: str) -> VisionShape:
    is_windowed = kind == "qwen2_5_vl"
    depth = config["depth"]
    return VisionShape(
        layers=depth,
        hidden=config["hidden_size"],
        heads=config["num_heads"],
        intermediate=config["intermediate_size"],
        out_hidden=config["out_hidden_size"],
        patch_px=config.get("patch_size", 14 if is_windowed else 16),
        merge=config.get("spatial_merge_size", 2),
        temporal=config.get("temporal_patch_size", 2),
        channels=config.get("in_channels", 3),
        mlp="swiglu" if is_windowed else "gelu",
        learned_positions=0 if is_windowed else config["num_position_embeddings"],
        deepstack=0 if is_windowed else len(config["deepstack_visual_indexes"]),
        window_px=config.get("window_size", 112) if is_windowed else 0,
        full_attention_layers=len(config["fullatt_block_indexes"]) if is_windowed else depth,
    )
