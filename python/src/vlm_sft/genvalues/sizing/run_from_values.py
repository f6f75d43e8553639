"""Merged values -> RunShape, Batch and what else the sizing needs; ms-swift's own defaults where a key is silent."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.argument import argument as _arg
from vlm_sft.genvalues.sizing.backend_arguments import gpus_per_rank
from vlm_sft.genvalues.sizing.batch import Batch
from vlm_sft.genvalues.sizing.image_tokens import environment_of, limits, most_tokens
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.linear import Group
from vlm_sft.genvalues.sizing.lora import Lora
from vlm_sft.genvalues.sizing.megatron_values import as_swift
from vlm_sft.genvalues.sizing.run_shape import Attention, Optimizer, RunShape
from vlm_sft.genvalues.sizing.shape import Shape

Values = Mapping[str, Any]
SWIFT_TOTAL_BATCH = 16  # ms-swift chooses the accumulation so that the effective batch reaches it
FREEZES: dict[str, tuple[Group, bool]] = {
    "freeze_llm": ("llm", False),
    "freeze_vit": ("vit", True),
    "freeze_aligner": ("aligner", True),
}
# ms-swift's optim -> what it costs; anything else is taken as AdamW
OPTIMIZERS: dict[str, Optimizer] = {
    "adamw_torch": "adamw_torch",
    "adamw_8bit": "adamw_8bit",
    "adamw_bnb_8bit": "adamw_8bit",
    "paged_adamw_8bit": "adamw_8bit",
    "sgd": "sgd",
}


@dataclass(frozen=True)
class RowOverrides:
    """What a person knows about the rows and the values file does not say."""

    tokens: int = 0  # 0: train.args.max_length
    images: int = 1  # of a row
    supervised_share: float = 1.0


def batch_from_values(values: Values) -> Batch:
    """Return the factors of the effective batch; the accumulation is derived where only the size is given."""
    train = values["train"]
    shared = gpus_per_rank(train)
    ranks, per_gpu = train["gpusPerNode"] * train["nodes"] // shared, train["batchSizePerGpu"]
    accumulation, effective = train.get("gradientAccumulationSteps"), train.get("effectiveBatchSize")
    if accumulation is None and effective is not None:
        accumulation, rest = divmod(effective, per_gpu * ranks)
        if rest or not accumulation:
            step = per_gpu * ranks
            near = " or ".join(str(size) for size in (effective // step * step, (effective // step + 1) * step) if size)
            raise UserError(
                f"train.effectiveBatchSize: {effective} is not a multiple of {step} "
                f"({per_gpu} per GPU x {Batch(per_gpu, 1, ranks, shared).ranks_text}); use {near}"
            )
    if accumulation is None:
        accumulation = max(1, -(-SWIFT_TOTAL_BATCH // (per_gpu * ranks)))
    return Batch(per_gpu, accumulation, ranks, shared)


def run_from_values(values: Values, config: Path | None = None, rows: RowOverrides | None = None) -> RunShape:
    """Return the run that the merged values describe.

    Raises:
        UserError: the model's sizes are not known, or a key that the size depends on is missing or strange.
    """
    rows, values = rows or RowOverrides(), as_swift(values)
    train, batch = values["train"], batch_from_values(values)
    shape = find_shape(values["model"]["id"], config)
    tokens = rows.tokens or _arg(values, "max_length", 0)
    if not tokens:
        raise UserError("train.args.max_length: not set, and memory and hours depend on it; set it, or give --tokens")
    checkpointing = _arg(values, "gradient_checkpointing", True)
    sizes, is_megatron = train.get("parallel") or {}, train.get("backend") == "megatron"
    return RunShape(
        shape=shape,
        seq_len_tokens=tokens,
        lora=_lora(values),
        quant_bits=_arg(values, "quant_bits", 0) or 0,
        quant_in_floats=_arg(values, "bnb_4bit_quant_storage", "uint8") != "uint8",
        frozen=frozenset(group for key, (group, default) in FREEZES.items() if _arg(values, key, default)),
        sharding="megatron" if is_megatron else train["sharding"],
        gpus_per_node=train["gpusPerNode"],
        nodes=train["nodes"],
        tensor_parallel=sizes.get("tensor", 1),
        pipeline_parallel=sizes.get("pipeline", 1),
        expert_parallel=sizes.get("expert", 1),
        sequence_parallel=sizes.get("context" if is_megatron else "sequence", 1),
        batch_per_gpu=batch.per_gpu,
        accumulation=batch.accumulation,
        image_tokens=_image_tokens(values, shape, rows, tokens),
        supervised_share=rows.supervised_share,
        gradient_checkpointing=checkpointing or train["sharding"] == "fsdp2",  # ms-swift's fsdp2.json turns it on
        vit_gradient_checkpointing=_arg(values, "vit_gradient_checkpointing", checkpointing),
        liger=_arg(values, "use_liger_kernel", False),
        packed=_arg(values, "packing", False) or _arg(values, "padding_free", False),
        attention=_attention(_arg(values, "attn_impl", "sdpa")),
        optimizer=OPTIMIZERS.get(_arg(values, "optim", ""), "adamw_torch_fused"),
        offload="optimizer" if is_megatron and _offloads(values) else "none",
        on_cpu=train.get("accelerator") == "cpu",
    )


def _offloads(values: Values) -> bool:
    """Tell whether Megatron keeps the whole optimizer in host memory; a part of it is not known here."""
    return bool(_arg(values, "optimizer_cpu_offload", False) and _arg(values, "optimizer_offload_fraction", 1.0) == 1)


def _lora(values: Values) -> Lora | None:
    tuner = _arg(values, "tuner_type", "lora")
    if tuner == "full":
        return None
    if tuner != "lora":
        raise UserError(f"train.args.tuner_type: the memory of {tuner!r} is not known here; known are lora and full")
    modules = _arg(values, "target_modules", ["all-linear"])
    names = tuple(map(str, modules)) if isinstance(modules, list) else (str(modules),)
    return Lora(_arg(values, "lora_rank", Lora.rank), _arg(values, "lora_dropout", Lora.dropout), names)


def _image_tokens(values: Values, shape: Shape, rows: RowOverrides, tokens: int) -> int:
    """Return the most image tokens of a row: every image at its limit, but no more than the row holds."""
    if shape.vision is None:
        return 0
    return min(tokens, rows.images * most_tokens(shape.vision, limits(shape.vision, environment_of(values))))


def _attention(name: str) -> Attention:
    if name.startswith("flash"):
        return "flash"
    return "eager" if name == "eager" else "sdpa"
