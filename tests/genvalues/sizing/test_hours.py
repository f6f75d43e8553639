"""FLOPs and hours: against torch's own FLOP counter, and by hand."""

from dataclasses import replace

import pytest
from vlm_sft.genvalues.sizing.flops import row_flops
from vlm_sft.genvalues.sizing.gpu import find_gpu, gpus
from vlm_sft.genvalues.sizing.hours import hours
from vlm_sft.genvalues.sizing.known_models import find_shape, known_models
from vlm_sft.genvalues.sizing.lora import Lora
from vlm_sft.genvalues.sizing.parameters import count
from vlm_sft.genvalues.sizing.run_shape import RunShape
from vlm_sft.genvalues.sizing.shape import from_config

LLAMA = find_shape("meta-llama/Llama-3.2-3B-Instruct")


@pytest.mark.filterwarnings("ignore")  # transformers' remarks on token ids
@pytest.mark.parametrize("is_recomputed", [False, True])
def test_flops_of_a_full_step_are_those_that_torch_counts(is_recomputed: bool) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = {**known_models()["Qwen/Qwen3-8B"]["config"], **sizes, "num_key_value_heads": 2, "vocab_size": 1000}
    tokens = 256
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), attn_implementation="eager")
    ids = torch.zeros(1, tokens, dtype=torch.long)
    model.train()
    if is_recomputed:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    run = RunShape(from_config(config), tokens, None, gradient_checkpointing=is_recomputed)
    flops = row_flops(run)
    causal = flops.attention / 3 * (4 if is_recomputed else 3)  # eager attention computes the other half too
    assert flops.hardware + causal == pytest.approx(counter.get_total_flops(), rel=0.001)


def test_full_training_is_six_flops_a_parameter_and_token() -> None:
    run = RunShape(LLAMA, 1024, None)
    matrices = count(LLAMA).total  # the tied table is the head
    assert row_flops(run).decoder + row_flops(run).head == pytest.approx(6 * matrices * 1024, rel=0.001)


def test_lora_needs_no_gradient_of_the_weights() -> None:
    run = RunShape(LLAMA, 1024, Lora(8))
    matrices = count(LLAMA).total
    assert row_flops(run).decoder + row_flops(run).head == pytest.approx(4 * matrices * 1024, rel=0.01)


def test_only_the_active_experts_compute() -> None:
    moe = RunShape(find_shape("Qwen/Qwen3-VL-30B-A3B-Instruct"), 1024, None, supervised_share=1e-9)
    assert row_flops(moe).decoder / (6 * 1024) == pytest.approx(2.73e9, rel=0.01)  # active, without tables


def test_a_frozen_tower_runs_forward_only() -> None:
    frozen = RunShape(find_shape("Qwen/Qwen3-VL-8B-Instruct"), 2048, None, image_tokens=1024)
    trained = replace(frozen, frozen=frozenset())
    assert row_flops(trained).tower == pytest.approx(3 * row_flops(frozen).tower)


def test_hours_follow_from_the_flops() -> None:
    run = RunShape(LLAMA, 1000, None, gpus_per_node=4, accumulation=2)
    found = hours(run, 500, find_gpu("a100-80g"), 0.5)
    assert (found.rows, found.tokens, found.gpus) == (4000, 4e6, 4)
    assert found.wall_hours == pytest.approx(row_flops(run).model * 4000 / (0.5 * 312e12 * 4) / 3600)
    assert found.gpu_hours == pytest.approx(4 * found.wall_hours)
    assert found.wall_hours_at(0.25) == pytest.approx(2 * found.wall_hours)


@pytest.mark.parametrize(("tokens", "tok_s_gpu", "mfu"), [(8192, 1812, 0.52), (8192, 1551, 0.44)])
def test_published_speed_gives_the_published_utilisation(tokens: int, tok_s_gpu: float, mfu: float) -> None:
    """ms-swift, Qwen2.5-14B full on A800 (312 TFLOP/s): Megatron and ZeRO-3."""
    config = {
        "model_type": "qwen2",
        "hidden_size": 5120,
        "intermediate_size": 13824,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "vocab_size": 152064,
    }
    flops = row_flops(RunShape(from_config(config), tokens, None)).model
    assert flops / tokens * tok_s_gpu / 312e12 == pytest.approx(mfu, abs=0.05)


def test_every_gpu_has_a_source_and_less_memory_than_its_nominal_size() -> None:
    for gpu in gpus().values():
        assert "NVIDIA" in gpu.source
        assert gpu.memory_gib <= float(gpu.name.split()[-2])
