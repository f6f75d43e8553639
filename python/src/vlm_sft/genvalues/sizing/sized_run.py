"""TrainConfig -> Batch and RunShape; ms-swift's own defaults where an argument is not given."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.batch import Batch
from vlm_sft.genvalues.sizing.image_tokens import max_image_tokens
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.linear import Group
from vlm_sft.genvalues.sizing.lora import Lora
from vlm_sft.genvalues.sizing.run_shape import Attention, Optimizer, RunShape, Sharding
from vlm_sft.genvalues.sizing.shape import Shape
from vlm_sft.genvalues.sizing.train_config import TrainConfig

# Arguments that split a row or a model over GPUs; the GPUs that share one see the same rows
_SHARED = tuple(f"{kind}_size" for kind in ("tensor_model_parallel", "pipeline_model_parallel", "context_parallel",
                                              "sequence_parallel"))  # fmt: skip
FREEZES: dict[str, tuple[Group, bool]] = {
    "freeze_llm": ("llm", False), "freeze_vit": ("vit", True), "freeze_aligner": ("aligner", True),
}  # fmt: skip
ATTENTIONS: tuple[Attention, ...] = ("flash", "eager")
# ms-swift's optim -> what it costs; anything else is taken as AdamW
OPTIMIZERS: dict[str, Optimizer] = {
    **dict.fromkeys(("adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"), "adamw_8bit"),
    **{"adamw_torch": "adamw_torch", "sgd": "sgd"},
}


@dataclass(frozen=True)
class RowOverrides:
    """Facts about the rows that the user knows and the values file does not contain."""

    tokens: int = 0  # 0: train.args.max_length
    images: int = 1  # of a row
    supervised_share: float = 1.0


def batch_of(config: TrainConfig) -> Batch:
    """Return the factors of the effective batch."""
    shared = prod(config.argument(name, 1) for name in _SHARED)
    ranks = _count(config, "NPROC_PER_NODE") * _count(config, "NNODES") // shared
    if config.is_megatron:
        per_gpu = config.argument("micro_batch_size", 1)
        accumulation = config.argument("global_batch_size", 1) // (per_gpu * ranks)
    else:
        per_gpu = config.argument("per_device_train_batch_size", 1)
        accumulation = config.argument("gradient_accumulation_steps", 1)
    return Batch(per_gpu, accumulation, ranks, shared)


def run_shape(config: TrainConfig, model_config: Path | None = None, rows: RowOverrides | None = None) -> RunShape:
    """Return everything about the run that decides its memory and its hours.

    Raises:
        UserError: the model's sizes are not known, or an argument that the size depends on is missing or strange.
    """
    rows, given, config = rows or RowOverrides(), config, _in_terms_of_swift(config)
    batch, arg = batch_of(given), config.argument
    shape = find_shape(str(config.args["model"]), model_config)
    tokens = rows.tokens or arg("max_length", 0)
    if not tokens:
        raise UserError("train.args.max_length: not set, and memory and hours depend on it; set it, or give --tokens")
    sharding = _sharding(config)
    checkpointing = arg("gradient_checkpointing", True) or sharding == "fsdp2"  # ms-swift's fsdp2.json turns it on
    implementation = arg("attn_impl", "sdpa")  # flash_attn, flash_attention_2, eager, sdpa, ...
    return RunShape(
        shape=shape,
        seq_len_tokens=tokens,
        lora=_lora(config),
        quant_bits=arg("quant_bits", 0) or 0,
        quant_in_floats=arg("bnb_4bit_quant_storage", "uint8") != "uint8",
        frozen=frozenset(group for key, (group, default) in FREEZES.items() if arg(key, default)),
        sharding=sharding,
        gpus_per_node=_count(config, "NPROC_PER_NODE"),
        nodes=_count(config, "NNODES"),
        tensor_parallel=arg("tensor_model_parallel_size", 1),
        pipeline_parallel=arg("pipeline_model_parallel_size", 1),
        expert_parallel=arg("expert_model_parallel_size", 1),
        sequence_parallel=arg("context_parallel_size", 1) * arg("sequence_parallel_size", 1),
        batch_per_gpu=batch.per_gpu,
        accumulation=batch.accumulation,
        image_tokens=_image_tokens(config, shape, rows, tokens),
        supervised_share=rows.supervised_share,
        gradient_checkpointing=checkpointing,
        vit_gradient_checkpointing=arg("vit_gradient_checkpointing", checkpointing),
        liger=arg("use_liger_kernel", False),
        packed=arg("packing", False) or arg("padding_free", False),
        attention=next((known for known in ATTENTIONS if implementation.startswith(known)), "sdpa"),
        optimizer=OPTIMIZERS.get(arg("optim", ""), "adamw_torch_fused"),
        offload="optimizer" if config.is_megatron and _offloads(config) else "none",
        on_cpu=arg("use_cpu", False),
    )


def _in_terms_of_swift(config: TrainConfig) -> TrainConfig:
    """Return a Megatron config with what `megatron sft` does under the names that `swift sft` has for it."""
    if not config.is_megatron:
        return config
    args = {
        "vit_gradient_checkpointing": not config.argument("freeze_vit", True),
        "padding_free": True,
        **config.args,
        "gradient_checkpointing": config.argument("recompute_granularity", "none") == "full",
        "attn_impl": "flash_attn",
        "optim": "sgd" if config.args.get("optimizer") == "sgd" else "adamw_torch",
    }
    return TrainConfig(args, config.env)


def _count(config: TrainConfig, name: str) -> int:
    return int(config.env.get(name, 1))


def _sharding(config: TrainConfig) -> Sharding:
    if config.is_megatron:
        return "megatron"
    found: Sharding = config.argument("deepspeed", "") or config.argument("fsdp", "") or "ddp"
    return found


def _offloads(config: TrainConfig) -> bool:
    """Return whether Megatron keeps the whole optimizer in host memory; a part of it is not modelled."""
    return bool(
        config.argument("optimizer_cpu_offload", False) and config.argument("optimizer_offload_fraction", 1.0) == 1
    )


def _lora(config: TrainConfig) -> Lora | None:
    tuner = config.argument("tuner_type", "lora")
    if tuner == "full":
        return None
    if tuner != "lora":
        raise UserError(f"train.args.tuner_type: the memory of {tuner!r} is not known here; known are lora and full")
    modules = config.argument("target_modules", ["all-linear"])
    names = tuple(map(str, modules)) if isinstance(modules, list) else (str(modules),)
    return Lora(config.argument("lora_rank", Lora.rank), config.argument("lora_dropout", Lora.dropout), names)


def _image_tokens(config: TrainConfig, shape: Shape, rows: RowOverrides, tokens: int) -> int:
    """Return the maximum image tokens of a row: every image at its limit, at most the length of the row."""
    if shape.vision is None:
        return 0
    return min(tokens, rows.images * max_image_tokens(shape.vision, config.environment))
