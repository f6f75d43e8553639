"""What would make a run fit: each suggestion does, and the cheap ones come first."""

from dataclasses import replace

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.fit import suggestions
from vlm_sft.genvalues.sizing.gpu import find_gpu
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.lora import Lora
from vlm_sft.genvalues.sizing.memory import estimate
from vlm_sft.genvalues.sizing.run_shape import RunShape

BIG = RunShape(find_shape("Qwen/Qwen3-VL-32B-Instruct"), 8192, Lora(32), gpus_per_node=4, accumulation=16)
SMALL = RunShape(find_shape("Qwen/Qwen2.5-3B-Instruct"), 8192, Lora(8), batch_per_gpu=2, accumulation=8)


@pytest.mark.parametrize("memory_gib", [22.0, 30.0, 47.4, 79.2, 139.8])
@pytest.mark.parametrize("run", [BIG, replace(BIG, lora=None), SMALL, replace(SMALL, gradient_checkpointing=False)])
def test_every_suggestion_fits(run: RunShape, memory_gib: float) -> None:
    for one in suggestions(run, memory_gib):
        assert one.estimate == estimate(one.run)
        assert one.estimate.high_gib <= memory_gib
        assert one.run != run
        assert one.changes


def test_the_free_change_comes_first() -> None:
    assert [one.changes for one in suggestions(SMALL, 39.4)] == [
        ("train.args.use_liger_kernel: true",),
        ("train.batchSizePerGpu: 1 with train.gradientAccumulationSteps: 16",),
        ("train.args.max_length: 4096",),
    ]


def test_a_smaller_batch_keeps_the_effective_one() -> None:
    smaller = next(one for one in suggestions(SMALL, 39.4) if "batchSizePerGpu" in one.changes[0])
    assert smaller.run.effective_batch == SMALL.effective_batch


def test_several_changes_are_taken_together_where_none_is_enough() -> None:
    (one,) = suggestions(BIG, 22.0)
    assert one.changes == (
        "train.args.use_liger_kernel: true",
        "train.sharding: zero3",
        "train.gpusPerNode: 8",
        "train.args.max_length: 2048",
    )


def test_nothing_is_suggested_where_nothing_helps() -> None:
    assert suggestions(BIG, 2.0) == []


def test_a_gpu_of_several_sizes_asks_which() -> None:
    with pytest.raises(UserError, match=r"^--gpu: 'a100' comes in several sizes; use a100-40g or a100-80g$"):
        find_gpu("a100")


def test_a_gpu_of_one_size_needs_none() -> None:
    assert find_gpu("L40S").memory_gib == 44.4


def test_a_misspelt_gpu_gets_the_known_one() -> None:
    with pytest.raises(UserError, match="did you mean h100-80g"):
        find_gpu("h100-80gb")
