"""Shapes and counts: to the parameter, against the published totals and against the transformers classes."""

import json
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.known_models import find_shape, known_models
from vlm_sft.genvalues.sizing.lora import Lora, lora_parameters
from vlm_sft.genvalues.sizing.parameters import count
from vlm_sft.genvalues.sizing.shape import from_config

DATA = Path(__file__).parents[2] / "data" / "memory"
COUNTS = json.loads((DATA / "counts.json").read_text())


def test_every_model_names_the_source_of_its_config() -> None:
    assert set(COUNTS) == set(known_models())
    assert all(len(facts["source"]) > 20 for facts in known_models().values())


@pytest.mark.parametrize("model", COUNTS)
def test_counts_are_the_published_ones_to_the_parameter(model: str) -> None:
    shape, expected = find_shape(model), COUNTS[model]
    found = count(shape)
    assert {
        "total": found.total,
        "embedding": found.embedding,
        "vision": found.vision + found.aligner,
        "aligner": found.aligner,
        "lora_llm": lora_parameters(shape, Lora(1), ("vit", "aligner")),
        "lora_vit": lora_parameters(shape, Lora(1), ("llm", "aligner")),
        "lora_aligner": lora_parameters(shape, Lora(1), ("llm", "vit")),
    } == expected


@pytest.mark.filterwarnings("ignore")  # transformers' remarks on token ids and losses
@pytest.mark.parametrize("model", known_models())
def test_counts_are_those_of_the_transformers_class(model: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    config: dict[str, Any] = known_models()[model]["config"]
    auto = AutoModelForImageTextToText if "vision_config" in config else AutoModelForCausalLM
    with torch.device("meta"):
        real = auto.from_config(AutoConfig.for_model(**config))
    found = count(find_shape(model))
    sizes = {name: parameter.numel() for name, parameter in real.named_parameters()}
    tower = {name: size for name, size in sizes.items() if "visual" in name}
    assert found.total == sum(sizes.values())
    assert found.aligner == sum(size for name, size in tower.items() if "merger" in name)
    assert found.vision + found.aligner == sum(tower.values())
    assert found.experts == sum(size for name, size in sizes.items() if ".experts." in name)


def test_lora_on_named_modules_counts_them_alone() -> None:
    shape = find_shape("Qwen/Qwen3-8B")
    q_and_v = Lora(rank=16, target_modules=("q_proj", "v_proj"))
    assert lora_parameters(shape, q_and_v, ()) == 36 * 16 * ((4096 + 4096) + (4096 + 1024))


def test_named_modules_are_found_in_a_frozen_tower_too() -> None:
    shape = find_shape("Qwen/Qwen3-VL-2B-Instruct")
    assert lora_parameters(shape, Lora(1, target_modules=("qkv",)), ("vit",)) == 24 * (1024 + 3 * 1024)


def test_gpt2_has_nothing_that_all_linear_finds() -> None:
    assert lora_parameters(find_shape("distilgpt2"), Lora(8), ()) == 0


def test_a_copy_in_a_folder_is_found_by_its_name() -> None:
    assert find_shape("/cache/models/qwen3-8b/") == find_shape("Qwen/Qwen3-8B")


def test_a_local_folder_is_read_from_its_own_config(tmp_path: Path) -> None:
    config = {**known_models()["Qwen/Qwen3-8B"]["config"], "num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert find_shape(str(tmp_path)).text.layers == 2


def test_a_misspelt_model_gets_the_known_one() -> None:
    with pytest.raises(UserError) as error:
        find_shape("Qwen/Qwen3-VL-8B-Instrct")
    assert str(error.value) == (
        "model.id: the sizes of 'Qwen/Qwen3-VL-8B-Instrct' are not known; "
        "did you mean Qwen/Qwen3-VL-8B-Instruct? give its file with --config config.json"
    )


def test_an_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(UserError) as error:
        from_config({"model_type": "bert"}, "x/config.json")
    assert str(error.value) == (
        "x/config.json: model_type 'bert' is not known here; known are "
        "gpt2, llama, qwen2, qwen2_5_vl, qwen3, qwen3_moe, qwen3_vl, qwen3_vl_moe"
    )


def test_a_missing_size_is_named() -> None:
    with pytest.raises(UserError, match=r"^config.json: has no hidden_size, which a llama model needs$"):
        from_config({"model_type": "llama", "num_attention_heads": 8, "num_hidden_layers": 2})


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON"), ("[]", "is no config.json of a model")])
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        find_shape("any", path)
