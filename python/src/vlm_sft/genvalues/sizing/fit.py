"""Changes of values that make a run fit, cheapest first: those that cost neither hours nor quality."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from vlm_sft.genvalues.sizing.lora import Lora
from vlm_sft.genvalues.sizing.memory import Estimate, estimate
from vlm_sft.genvalues.sizing.run_shape import RunShape

Change = Callable[[RunShape], Iterator[tuple[str, RunShape]]]

_SHORTEST_TOKENS = 1024  # shorter rows are not suggested


@dataclass(frozen=True)
class Suggestion:
    """Changes of values, in their spelling, and the estimate with them."""

    changes: tuple[str, ...]
    run: RunShape
    estimate: Estimate


def suggestions(run: RunShape, memory_gib: float) -> list[Suggestion]:
    """Return each single change that makes the run fit; where none does, the cheapest few that do together.

    A run fits when the upper end of its band does. Empty when nothing here helps.
    """
    single = [Suggestion((text,), changed, estimate(changed)) for text, changed in _changes(run, CHANGES)]
    enough = [suggestion for suggestion in single if suggestion.estimate.high_gib <= memory_gib]
    if enough:
        return enough
    used = list(CHANGES)
    best = _together(run, memory_gib, used)
    if best is None:
        return []
    for change in reversed(CHANGES):  # leave out what it fits without, the dearest first
        fewer = [one for one in used if one is not change]
        found = _together(run, memory_gib, fewer)
        if found is not None and set(found.changes) < set(best.changes):  # fewer, and none of them went further
            best, used = found, fewer
    return [best]


def _together(run: RunShape, memory_gib: float, allowed: Sequence[Change]) -> Suggestion | None:
    """Apply the allowed changes one after the other, cheapest first, each that helps, until it fits."""
    texts: list[str] = []
    best = estimate(run).high_gib
    while best > memory_gib:
        helping = (
            (text, changed, high)
            for text, changed in _changes(run, allowed)
            if text not in texts and (high := estimate(changed).high_gib) < best
        )
        step = next(helping, None)
        if step is None:
            return None
        text, run, best = step
        texts.append(text)
    return Suggestion(tuple(_merged(texts)), run, estimate(run))


def _merged(texts: list[str]) -> Iterator[str]:
    """Keep the last change of each key."""
    last = {text.partition(":")[0]: text for text in texts}
    yield from last.values()


def _changes(run: RunShape, allowed: Sequence[Change]) -> Iterator[tuple[str, RunShape]]:
    for change in allowed:
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
            sharding = "" if run.sharding == "zero3" else " with train.sharding: zero3"
            yield f"train.gpusPerNode: {gpus}{sharding}", replace(run, gpus_per_node=gpus, sharding="zero3")


CHANGES: tuple[Change, ...] = (
    _liger,
    _checkpointing,
    _smaller_batch,
    _sharding,
    _optimizer,
    _quantised,
    _gpus,
    _shorter,
    _lora,
)
