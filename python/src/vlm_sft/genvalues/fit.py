"""What would make a run fit: changes of its values, cheapest first. Cheap: costs neither hours nor quality."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vlm_sft.genvalues.lora import Lora
from vlm_sft.genvalues.memory import Estimate, estimate
from vlm_sft.genvalues.run_shape import RunShape

_SHORTEST_TOKENS = 1024  # rows cut below it are hardly worth training on


@dataclass(frozen=True)
class Suggestion:
    """Changes of values, in their spelling, and the estimate with them."""

    changes: tuple[str, ...]
    run: RunShape
    estimate: Estimate


def suggestions(run: RunShape, memory_gib: float) -> list[Suggestion]:
    """Return each single change that makes the run fit; where none does, the shortest row of changes that does.

    A run fits when the upper end of its band does. Empty when nothing here helps.
    """
    single = [Suggestion((text,), changed, estimate(changed)) for text, changed in _changes(run)]
    enough = [suggestion for suggestion in single if suggestion.estimate.high_gib <= memory_gib]
    return enough or _together(run, memory_gib)


def _together(run: RunShape, memory_gib: float) -> list[Suggestion]:
    """Apply the changes one after the other, cheapest first, until it fits; leave out what does not help."""
    texts: list[str] = []
    best, seen = estimate(run).high_gib, set[str]()
    while True:
        step = next(
            (
                (text, changed, now)
                for text, changed in _changes(run)
                if text not in seen and (now := estimate(changed)).high_gib < best
            ),
            None,
        )
        if step is None:
            return []
        text, run, now = step
        texts.append(text)
        seen.add(text)
        best = now.high_gib
        if best <= memory_gib:
            return [Suggestion(tuple(_merged(texts)), run, now)]


def _merged(texts: list[str]) -> Iterator[str]:
    """Keep the last change of each key."""
    last = {text.partition(":")[0]: text for text in texts}
    yield from last.values()


def _changes(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    for change in (_liger, _checkpointing, _smaller_batch, _sharding, _optimizer, _quantised, _shorter, _lora, _gpus):
        yield from change(run)


def _liger(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if not run.liger:
        yield "train.args.use_liger_kernel: true", replace(run, liger=True)


def _checkpointing(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if run.trains("vit") and run.shape.vision and not run.vit_gradient_checkpointing:
        yield "train.args.vit_gradient_checkpointing: true", replace(run, vit_gradient_checkpointing=True)
    if not run.gradient_checkpointing:
        yield "train.args.gradient_checkpointing: true", replace(run, gradient_checkpointing=True)


def _smaller_batch(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if run.batch_per_gpu > 1 and run.batch_per_gpu % 2 == 0:
        half, twice = run.batch_per_gpu // 2, run.accumulation * 2
        text = f"train.batchSizePerGpu: {half} with train.gradientAccumulationSteps: {twice}"
        yield text, replace(run, batch_per_gpu=half, accumulation=twice)


def _sharding(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if run.world == 1 or run.quant_bits:
        return
    order = ["ddp", "zero2", "zero3"]
    if run.sharding in order:
        for name in order[order.index(run.sharding) + 1 :]:
            yield f"train.sharding: {name}", replace(run, sharding=name)  # type: ignore[arg-type]


def _optimizer(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if run.trained and run.sharding == "ddp" and run.optimizer != "adamw_8bit":
        yield "train.args.optim: adamw_8bit", replace(run, optimizer="adamw_8bit")


def _quantised(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if run.lora and not run.quant_bits and run.sharding in ("ddp", "zero2"):
        text = "train.args.quant_bits: 4 with train.args.quant_method: bnb"
        yield text, replace(run, quant_bits=4)


def _shorter(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    half = run.seq_len_tokens // 2
    if half >= _SHORTEST_TOKENS:
        image_tokens = min(run.image_tokens, half)
        yield f"train.args.max_length: {half}", replace(run, seq_len_tokens=half, image_tokens=image_tokens)


def _lora(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    if run.lora is None:
        yield "train.args.tuner_type: lora", replace(run, lora=Lora())


def _gpus(run: RunShape) -> Iterator[tuple[str, RunShape]]:
    for gpus in (2, 4, 8):
        if gpus > run.gpus_per_node and not run.quant_bits:
            text = f"train.gpusPerNode: {gpus} with train.sharding: zero3"
            yield text, replace(run, gpus_per_node=gpus, sharding="zero3")
