"""Tiny models with random weights, of the architectures that the values files train; a few MB and seconds each.

All share the sample model's tokenizer: bytes, and Qwen's special tokens with their real ids.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from vlm_sft.sample.model import write_model

TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
    "initializer_range": 0.5,
    "dtype": "float32",
}
# Part of a model's name -> transformers' classes of config and model; the first that fits. Empty: the sample model.
ARCHITECTURES = {
    "qwen3-vl": ("", ""),
    "qwen2.5-vl": ("Qwen2_5_VLConfig", "Qwen2_5_VLForConditionalGeneration"),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"),
    "qwen2.5": ("Qwen2Config", "Qwen2ForCausalLM"),
    "llama": ("LlamaConfig", "LlamaForCausalLM"),
}


def write(folder: Path) -> None:
    """Write the tiny model of the architecture that the folder is named after.

    Raises:
        ValueError: no known architecture has this name.
    """
    part = next((part for part in ARCHITECTURES if part in folder.name.lower()), None)
    if part is None:
        raise ValueError(f"{folder.name}: no tiny model of its architecture; add one to ARCHITECTURES")
    config_class, model_class = ARCHITECTURES[part]
    sample = folder.parent / "sample" if config_class else folder
    write_model(sample)
    if not config_class:
        return
    import torch
    import transformers

    torch.manual_seed(0)
    has_vision = part == "qwen2.5-vl"
    config = getattr(transformers, config_class)(**_config(has_vision=has_vision))
    model = getattr(transformers, model_class)(config).float()
    with torch.no_grad():  # ids without a token, almost all, never have the highest logit
        known = list(json.loads((sample / "tokenizer.json").read_bytes())["model"]["vocab"].values())
        embeddings = model.get_input_embeddings().weight
        kept = embeddings[known].clone()
        embeddings.zero_()
        embeddings[known] = kept
    model.save_pretrained(folder)
    kept = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
    for name in kept:
        shutil.copy(sample / name, folder / name)
    if has_vision:
        processor = {
            "image_processor_type": "Qwen2VLImageProcessor",
            "patch_size": 14,
            "merge_size": 2,
            "temporal_patch_size": 2,
        }
        (folder / "preprocessor_config.json").write_text(
            json.dumps({**processor, "processor_class": "Qwen2_5_VLProcessor"})
        )
        settings = json.loads((folder / "tokenizer_config.json").read_bytes())
        settings["processor_class"] = "Qwen2_5_VLProcessor"
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _config(*, has_vision: bool) -> dict[str, Any]:
    if not has_vision:
        return {**TEXT, "bos_token_id": None, "eos_token_id": 151645, "pad_token_id": 151643}
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e6}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 32,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [1],
    }
    ids = {
        "image_token_id": 151655,
        "video_token_id": 151656,
        "vision_start_token_id": 151652,
        "vision_end_token_id": 151653,
    }
    return {
        "text_config": {**TEXT, "rope_parameters": rope},
        "vision_config": vision,
        **ids,
        "tie_word_embeddings": True,
    }
