"""What stays in a GPU's memory from step to step, in bytes: weights, adapters, gradients, optimizer states.

Derivation by sharding and sources: README.md in this folder.
"""

from dataclasses import dataclass

from vlm_sft.genvalues.sizing.linear import decoder_linears
from vlm_sft.genvalues.sizing.lora import ALL_LINEAR
from vlm_sft.genvalues.sizing.parameters import layer
from vlm_sft.genvalues.sizing.run_shape import RunShape

BF16 = 2
FP32 = 4
NF4_BITS = 4.127  # per parameter, with double quantisation, ms-swift's default
MASTER_BYTES = 12  # float32 weight and two moments
BUCKET_ELEMENTS = 200_000_000  # reduce_bucket_size of ms-swift's zero1.json and zero2.json
LIVE_ELEMENTS = 1_000_000_000  # stage3_max_live_parameters of zero3.json
# bytes per parameter of the moments, by optimizer, as a share of the parameter's own width
_MOMENTS = {"adamw_torch_fused": 2.0, "adamw_torch": 2.0, "sgd": 0.0}


@dataclass(frozen=True)
class States:
    """Bytes on the fullest GPU."""

    weights: float
    adapters: float
    gradients: float
    optimizer: float
    buffers: float  # communication buckets and gathered parameters
    step: float  # more that the optimizer step needs for a moment


def states(run: RunShape) -> States:
    """Return the states of the run's sharding."""
    if run.sharding == "megatron":
        return _megatron(run)
    if run.sharding == "fsdp2":
        return _fsdp2(run)
    return _zero(run) if run.sharding.startswith("zero") else _ddp(run)


def model_bytes(run: RunShape) -> float:
    """Bytes of the whole model, its decoder's matrices quantised where asked; the head and the tower are not."""
    total = BF16 * run.parameters.total
    if not run.quant_bits:
        return float(total)
    quantised = sum(linear.size for linear in decoder_linears(run.shape.text))
    return total - BF16 * quantised + quantised_bytes(run)


def quantised_bytes(run: RunShape) -> float:
    """Bytes of the matrices that are quantised; 0 where none are."""
    quantised = sum(linear.size for linear in decoder_linears(run.shape.text)) if run.quant_bits else 0
    return quantised * (NF4_BITS if run.quant_bits == 4 else float(run.quant_bits)) / 8


def _ddp(run: RunShape) -> States:
    trained, adapters = run.trained, run.adapters
    gradients = BF16 * trained + FP32 * adapters
    moments = 2 * (trained + adapters) if run.optimizer == "adamw_8bit" else _MOMENTS[run.optimizer] * gradients
    return States(
        weights=model_bytes(run),
        adapters=FP32 * adapters,
        gradients=gradients,
        optimizer=moments,
        buffers=gradients if run.world > 1 else 0,
        step=gradients if run.optimizer == "adamw_torch" else 0,  # foreach makes a temporary for every parameter
    )


def _zero(run: RunShape) -> States:
    stage, ranks = int(run.sharding[-1]), run.world
    trained, adapters = run.trained, run.adapters
    updated = trained + adapters
    weights = model_bytes(run)
    gathered = 0.0
    if stage == 3:
        gathered = min(weights, BF16 * LIVE_ELEMENTS)
        weights /= ranks
    if run.offload == "all":
        weights = 0.0
    optimizer = 0.0 if run.offload != "none" else MASTER_BYTES * updated / ranks
    return States(
        weights=weights,
        adapters=BF16 * adapters / (ranks if stage == 3 else 1),
        gradients=BF16 * updated / (ranks if stage >= 2 else 1),
        optimizer=optimizer,
        buffers=gathered + (BF16 * min(updated, BUCKET_ELEMENTS) if stage < 3 else 0),
        step=FP32 * updated / ranks if run.offload == "none" else 0,
    )


def _fsdp2(run: RunShape) -> States:
    ranks, text, counts = run.world, run.shape.text, run.parameters
    trained, adapters = run.trained, run.adapters
    root = BF16 * (counts.embedding + counts.head)
    one_layer = layer(text) * (1 if run.lora is None else model_bytes(run) / (BF16 * counts.total))
    reduced = FP32 * one_layer if run.lora is None else 0  # gradients of a layer before they are scattered
    whole = 0.0 if run.quant_in_floats else quantised_bytes(run)  # accelerate leaves bytes that are no floats alone
    return States(
        weights=(FP32 * trained + model_bytes(run) - BF16 * trained - whole) / ranks + whole,
        adapters=FP32 * adapters / ranks,
        gradients=FP32 * (trained + adapters) / ranks,
        optimizer=0 if run.offload != "none" else 2 * FP32 * (trained + adapters) / ranks,
        buffers=root + 2 * BF16 * one_layer + reduced,
        step=0,
    )


def _megatron(run: RunShape) -> States:
    counts, tensor, pipeline = run.parameters, run.tensor_parallel, run.pipeline_parallel
    tables = max(counts.embedding, counts.head) if pipeline > 1 else counts.embedding + counts.head
    dense = (counts.decoder - counts.experts) / (tensor * pipeline) + tables / tensor
    experts = counts.experts / (run.expert_parallel * pipeline)
    tower = counts.vision + counts.aligner  # replicated: Megatron-SWIFT uses the Hugging Face class
    data = max(run.data_parallel * run.sequence_parallel, 1)
    expert_data = max(run.world // (run.expert_parallel * pipeline), 1)
    expert_adapters = _expert_adapters(run) / (run.expert_parallel * pipeline)
    adapters = run.adapters / (tensor * pipeline) + expert_adapters
    share = run.trained / counts.total
    updated_dense = (dense + tower) * share + adapters - expert_adapters
    updated_experts = experts * share + expert_adapters
    optimizer = MASTER_BYTES * (updated_dense / data + updated_experts / expert_data)
    return States(
        weights=BF16 * (dense + experts + tower),
        adapters=BF16 * adapters,
        gradients=FP32 * (updated_dense + updated_experts),
        optimizer=0 if run.offload != "none" else optimizer,
        buffers=0,
        step=0,
    )


def _expert_adapters(run: RunShape) -> int:
    """Adapters of the experts, which `all-linear` reaches in Megatron: each has two matrices, gate and up being one."""
    text, lora = run.shape.text, run.lora
    if lora is None or ALL_LINEAR not in lora.target_modules:
        return 0
    per_expert = lora.rank * (text.hidden + 2 * text.intermediate + text.intermediate + text.hidden)
    return text.experts * text.layers * per_expert
