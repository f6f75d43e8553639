"""A tiny Qwen3-VL with random weights, written from its config without torch or transformers (10 s of imports).

Hidden size 32, two layers of text and of vision, Qwen's real vocabulary size and special token ids: 20 MB, with
every part of the real model. The tensors are those of transformers' Qwen3VLForConditionalGeneration.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from vlm_sft.atomic_file import atomic_write

FILES = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
SEED = 20260
Shape = tuple[int, ...]
Tensor = np.ndarray[Any, np.dtype[np.float32]]


def write_model(folder: Path) -> int:
    """Write the model in Hugging Face format; return its number of parameters. The files are the same every time."""
    folder.mkdir(parents=True, exist_ok=True)
    data = files("vlm_sft.sample") / "data" / "model"
    for name in FILES:
        with atomic_write(folder / name) as file:
            file.write((data / name).read_bytes())
    config = json.loads((data / "config.json").read_bytes())
    random = np.random.default_rng(SEED)
    deviation = np.float32(config["text_config"]["initializer_range"])
    tensors = {name: _initial(name, shape, deviation, random) for name, shape in tensor_shapes(config).items()}
    _silence_holes(
        tensors["model.language_model.embed_tokens.weight"], json.loads((data / "tokenizer.json").read_bytes())
    )
    with atomic_write(folder / "model.safetensors") as file:
        file.write(save(tensors, metadata={"format": "pt"}))
    return sum(tensor.size for tensor in tensors.values())


def _silence_holes(embeddings: Tensor, tokenizer: dict[str, Any]) -> None:
    """Set the rows of ids without a token (all but 264 of 151,936) to zero, so that none has the highest logit."""
    tokens = np.zeros(len(embeddings), bool)
    tokens[list(tokenizer["model"]["vocab"].values())] = True
    embeddings[~tokens] = 0


def _initial(name: str, shape: Shape, deviation: np.float32, random: np.random.Generator) -> Tensor:
    """Initialise as transformers does: norms 1, biases 0, everything else normal.

    The config has a deviation of 0.5; Qwen's is 0.02. With 32 dimensions and tied embeddings, a smaller deviation keeps
    every logit below 1, and training cannot reduce the loss.
    """
    if name.endswith(".bias"):
        return np.zeros(shape, np.float32)
    if "norm" in name.split(".")[-2]:
        return np.ones(shape, np.float32)
    return random.standard_normal(shape, np.float32) * deviation


def tensor_shapes(config: dict[str, Any]) -> dict[str, Shape]:
    """Return the name and shape of every tensor of a Qwen3-VL with tied embeddings."""
    return {**_text(config["text_config"]), **_vision(config["vision_config"])}


def _text(text: dict[str, Any]) -> dict[str, Shape]:
    hidden, inter, head = text["hidden_size"], text["intermediate_size"], text["head_dim"]
    query, key = text["num_attention_heads"] * head, text["num_key_value_heads"] * head
    model = "model.language_model"
    shapes: dict[str, Shape] = {f"{model}.embed_tokens.weight": (text["vocab_size"], hidden)}
    for layer in range(text["num_hidden_layers"]):
        block = f"{model}.layers.{layer}"
        shapes |= {
            f"{block}.input_layernorm.weight": (hidden,),
            f"{block}.self_attn.q_proj.weight": (query, hidden),
            f"{block}.self_attn.k_proj.weight": (key, hidden),
            f"{block}.self_attn.v_proj.weight": (key, hidden),
            f"{block}.self_attn.o_proj.weight": (hidden, query),
            f"{block}.self_attn.q_norm.weight": (head,),
            f"{block}.self_attn.k_norm.weight": (head,),
            f"{block}.post_attention_layernorm.weight": (hidden,),
            f"{block}.mlp.gate_proj.weight": (inter, hidden),
            f"{block}.mlp.up_proj.weight": (inter, hidden),
            f"{block}.mlp.down_proj.weight": (hidden, inter),
        }
    shapes[f"{model}.norm.weight"] = (hidden,)
    return shapes


def _vision(vision: dict[str, Any]) -> dict[str, Shape]:
    hidden, inter, out = vision["hidden_size"], vision["intermediate_size"], vision["out_hidden_size"]
    merged = hidden * vision["spatial_merge_size"] ** 2
    patch = (hidden, vision["in_channels"], vision["temporal_patch_size"], vision["patch_size"], vision["patch_size"])
    tower = "model.visual"
    shapes: dict[str, Shape] = {
        f"{tower}.patch_embed.proj.weight": patch,
        f"{tower}.patch_embed.proj.bias": (hidden,),
        f"{tower}.pos_embed.weight": (vision["num_position_embeddings"], hidden),
    }
    for layer in range(vision["depth"]):
        block = f"{tower}.blocks.{layer}"
        for name in ("norm1", "norm2"):
            shapes |= {f"{block}.{name}.weight": (hidden,), f"{block}.{name}.bias": (hidden,)}
        for name, rows, columns in (
            ("attn.qkv", 3 * hidden, hidden),
            ("attn.proj", hidden, hidden),
            ("mlp.linear_fc1", inter, hidden),
            ("mlp.linear_fc2", hidden, inter),
        ):
            shapes |= {f"{block}.{name}.weight": (rows, columns), f"{block}.{name}.bias": (rows,)}
    mergers = [(f"{tower}.merger", hidden)]  # norm before the patches are joined; in a deepstack merger after it
    mergers += [(f"{tower}.deepstack_merger_list.{i}", merged) for i in range(len(vision["deepstack_visual_indexes"]))]
    for merger, normed in mergers:
        shapes |= {f"{merger}.norm.weight": (normed,), f"{merger}.norm.bias": (normed,)}
        shapes |= {f"{merger}.linear_fc1.weight": (merged, merged), f"{merger}.linear_fc1.bias": (merged,)}
        shapes |= {f"{merger}.linear_fc2.weight": (out, merged), f"{merger}.linear_fc2.bias": (out,)}
    return shapes
