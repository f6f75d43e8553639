"""The rendered config becomes the run that ms-swift starts."""

from pathlib import Path
from typing import Any

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing import run_steps
from vlm_sft.genvalues.sizing.batch import Batch
from vlm_sft.genvalues.sizing.lora import Lora
from vlm_sft.genvalues.sizing.run_steps import samples_from_config, samples_from_stats
from vlm_sft.genvalues.sizing.sized_run import RowOverrides, batch_of, run_shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig


def config(args: dict[str, Any] | None = None, gpus: int = 1, nodes: int = 1, **env: Any) -> TrainConfig:
    given = {"model": "Qwen/Qwen3-VL-8B-Instruct", "max_length": 4096, **(args or {})}
    return TrainConfig(given, {"NPROC_PER_NODE": gpus, "NNODES": nodes, **env})


def test_an_argument_that_is_not_given_has_ms_swifts_default() -> None:
    run = run_shape(config())
    assert run.lora == Lora(8, 0.05, ("all-linear",))
    assert run.frozen == {"vit", "aligner"}
    assert (run.gradient_checkpointing, run.vit_gradient_checkpointing, run.liger) == (True, True, False)
    assert (run.attention, run.optimizer, run.seq_len_tokens) == ("sdpa", "adamw_torch_fused", 4096)


@pytest.mark.filterwarnings("ignore")  # of ms-swift's imports
def test_defaults_are_those_of_the_installed_ms_swift() -> None:
    from dataclasses import MISSING, fields

    from swift.arguments import SftArguments

    theirs = {
        field.name: field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
        for field in fields(SftArguments)
        if field.default is not MISSING or field.default_factory is not MISSING
    }
    run = run_shape(config())
    assert run.lora == Lora(theirs["lora_rank"], theirs["lora_dropout"], tuple(theirs["target_modules"]))
    assert {group for group in ("llm", "vit", "aligner") if theirs[f"freeze_{group}"]} == run.frozen
    assert theirs["tuner_type"] == "lora"
    assert (theirs["gradient_checkpointing"], theirs["vit_gradient_checkpointing"]) == (True, None)
    assert (theirs["use_liger_kernel"], theirs["packing"], theirs["padding_free"]) == (False, False, False)
    assert (theirs["optim"], theirs["attn_impl"], theirs["quant_bits"]) == (run.optimizer, None, None)
    assert theirs["num_train_epochs"] == run_steps.EPOCHS


def test_arguments_are_read_in_ms_swifts_spelling() -> None:
    args = {
        "tuner_type": "full",
        "freeze_vit": False,
        "freeze_aligner": False,
        "gradient_checkpointing": False,
        "use_liger_kernel": True,
        "padding_free": True,
        "attn_impl": "flash_attention_3",
        "optim": "paged_adamw_8bit",
        "deepspeed": "zero3",
        "gradient_accumulation_steps": 4,
    }
    run = run_shape(config(args, gpus=8, nodes=2))
    assert (run.lora, run.frozen, run.world, run.sharding) == (None, frozenset(), 16, "zero3")
    assert (run.gradient_checkpointing, run.vit_gradient_checkpointing) == (False, False)
    assert (run.liger, run.packed, run.attention, run.optimizer) == (True, True, "flash", "adamw_8bit")
    assert (run.accumulation, run.effective_batch) == (4, 64)


def test_megatron_is_sized_by_its_own_arguments_and_sizes() -> None:
    sizes = {"tensor": 2, "pipeline": 2, "expert": 4}
    args = {"recompute_granularity": "full", "optimizer": "sgd", "optimizer_cpu_offload": True, "freeze_vit": False}
    args |= {f"{name}_model_parallel_size": size for name, size in sizes.items()}
    args |= {"context_parallel_size": 2, "micro_batch_size": 1, "global_batch_size": 4}
    run = run_shape(config(args, gpus=8))
    assert (run.sharding, run.tensor_parallel, run.pipeline_parallel, run.expert_parallel) == ("megatron", 2, 2, 4)
    assert (run.sequence_parallel, run.data_parallel, run.effective_batch, run.accumulation) == (2, 1, 4, 4)
    assert (run.gradient_checkpointing, run.vit_gradient_checkpointing, run.packed) == (True, True, True)
    assert (run.attention, run.optimizer, run.offload) == ("flash", "sgd", "optimizer")
    batch = {"micro_batch_size": 1, "global_batch_size": 2}
    plain = run_shape(config({**batch, "recompute_granularity": "full"}, gpus=2))
    assert (plain.gradient_checkpointing, plain.vit_gradient_checkpointing, plain.offload) == (True, False, "none")
    assert not run_shape(config({**batch, "recompute_granularity": "none"})).gradient_checkpointing


def test_image_tokens_are_the_budget_but_no_more_than_the_row() -> None:
    assert run_shape(config(IMAGE_MAX_TOKEN_NUM=1024)).image_tokens == 1024
    assert run_shape(config(), rows=RowOverrides(images=0)).image_tokens == 0
    assert run_shape(config()).image_tokens == 4096


def test_a_run_without_max_length_names_what_to_set() -> None:
    with pytest.raises(UserError) as error:
        run_shape(config({"max_length": None}))
    assert str(error.value) == (
        "train.args.max_length: not set, and memory and hours depend on it; set it, or give --tokens"
    )
    assert run_shape(config({"max_length": None}), rows=RowOverrides(tokens=100)).seq_len_tokens == 100


def test_an_unknown_tuner_is_not_taken_for_lora() -> None:
    with pytest.raises(UserError, match=r"^train.args.tuner_type: the memory of 'adalora' is not known here"):
        run_shape(config({"tuner_type": "adalora"}))


def test_gpus_that_share_a_row_leave_fewer_ranks_for_rows() -> None:
    args = {"sequence_parallel_size": 4, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}
    found = batch_of(config(args, gpus=8))
    assert found == Batch(1, 2, 2, gpus_per_rank=4)
    assert (found.effective, found.ranks_text) == (4, "2 data-parallel ranks (8 GPUs / 4)")


def test_samples_come_from_the_preparation(tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    path.write_text('{"files": {"fire_bc_train.jsonl": {"bytes": 9, "lines": 70}, "fire_bc_test.jsonl": {"lines": 5}}}')
    assert samples_from_stats(path) == 70


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no stats.json of a preparation, which has files and their lines"),
        ('{"files": []}', "is no stats.json of a preparation, which has files and their lines"),
        ('{"files": {"fire_bc_test.jsonl": {"lines": 5}}}', "lists no training file; give --samples N"),
    ],
)
def test_strange_stats_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "stats.json"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        samples_from_stats(path)
    assert str(error.value) == f"{path}: {message}"


def test_samples_are_known_when_every_dataset_has_a_count() -> None:
    assert samples_from_config(config({"dataset": ["a/b#500", "/data/c.jsonl#70"]})) == 570
    assert samples_from_config(config({"dataset": ["a/b#500", "c/d"]})) is None
    assert samples_from_config(config({"dataset": []})) is None
