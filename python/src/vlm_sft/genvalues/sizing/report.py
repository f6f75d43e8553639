"""The sizing results as text."""

from vlm_sft.genvalues.sizing.batch import Batch, reach
from vlm_sft.genvalues.sizing.fit import suggestions
from vlm_sft.genvalues.sizing.gpu import Gpu
from vlm_sft.genvalues.sizing.hours import Hours
from vlm_sft.genvalues.sizing.memory import MOMENT_NAMES, Estimate
from vlm_sft.genvalues.sizing.run_shape import RunShape
from vlm_sft.genvalues.sizing.run_steps import counted_steps, split_off
from vlm_sft.genvalues.sizing.train_config import TrainConfig

_SHOWN = 8


def product(batch: Batch) -> str:
    """Return the effective batch as its product."""
    factors = f"{batch.per_gpu} per GPU x {batch.accumulation} accumulation x {batch.ranks_text}"
    return f"{batch.effective} samples per optimizer step = {factors}"


def batch_text(batch: Batch, samples: int | None, config: TrainConfig) -> str:
    """Return the product, and the steps where the samples are known."""
    lines = [product(batch)]
    if samples is not None:
        counted = counted_steps(batch, samples, config)
        validation = split_off(samples, config)
        if validation:
            ratio = config.argument("split_dataset_ratio", 0.0)
            lines.append(
                f"{validation} of {samples} samples are split off for validation (split_dataset_ratio {ratio:g})"
            )
        trained = samples - validation
        lines.append(f"{counted.per_epoch} optimizer steps per epoch from {trained} samples, {counted.total} in all")
        if counted.left_out:
            lines.append(
                f"{counted.left_out} samples of each epoch are left out: ms-swift gives every rank the same number"
            )
    return "\n".join(lines)


def settings_for(target: int, gpus: int) -> str:
    """Return the settings that reach the target, or the nearest ones."""
    found = reach(target, gpus)
    is_exact = found[0].effective == target
    head = f"{target} on {gpus} GPUs:" if is_exact else f"{target} is not a multiple of {gpus} GPUs; the nearest:"
    lines = [
        f"  {one.effective} = train.batchSizePerGpu: {one.per_gpu}, train.gradientAccumulationSteps: {one.accumulation}"
        for one in found[:_SHOWN]
    ]
    return "\n".join([head, *lines])


def memory_text(run: RunShape, peak: Estimate) -> str:
    """Return the parts of the peak and its band, in GiB."""
    counts = run.parameters
    trained = run.adapters or run.trained
    lines = [f"{counts.total:,} parameters, {trained:,} trained; {run.seq_len_tokens} tokens a row"]
    if run.image_tokens:
        lines[0] += f", at most {run.image_tokens} of images"
    lines += [f"{gib:8.2f} GiB  {part}" for part, gib in peak.parts.items() if gib >= 0.005]
    lines.append(f"{peak.expected_gib:8.2f} GiB  peak of each GPU, {MOMENT_NAMES[peak.moment]}")
    lines.append(f"  {peak.low_gib:.1f} to {peak.high_gib:.1f} GiB by the errors against published peaks")
    return "\n".join(lines)


def fit_text(run: RunShape, peak: Estimate, room_gib: float) -> str:
    """Return the verdict, and what would make it fit."""
    if peak.high_gib <= room_gib:
        return f"fits {room_gib:g} GiB"
    verdict = "is risky on" if peak.expected_gib <= room_gib else "does not fit"
    lines = [f"{verdict} {room_gib:g} GiB"]
    found = suggestions(run, room_gib)
    if not found:
        return f"{lines[0]}; nothing known here makes it fit: take a larger GPU or a smaller model"
    lines.append("what would make it fit, cheapest first:")
    for one in found[:_SHOWN]:
        after = one.estimate
        lines.append(f"  {'; '.join(one.changes)}  -> {after.expected_gib:.1f} GiB, at most {after.high_gib:.1f}")
    return "\n".join(lines)


def hours_text(run: RunShape, found: Hours, gpu: Gpu) -> str:
    """Return steps, tokens, FLOPs and hours."""
    low, high = found.mfu_range
    return (
        f"{found.steps} optimizer steps, {found.rows} rows of {run.seq_len_tokens}, {found.tokens:.3g} tokens\n"
        f"{found.model_flops:.3g} FLOPs without recomputation\n"
        f"{found.wall_hours:.1f} h on {found.gpus} x {gpu.name} at {found.mfu:.0%} of {gpu.bf16_tflops:g} TFLOP/s, "
        f"{found.gpu_hours:.1f} GPU hours\n"
        f"  {found.wall_hours_at(high):.1f} to {found.wall_hours_at(low):.1f} h "
        f"at the published {low:.0%} to {high:.0%}"
    )
