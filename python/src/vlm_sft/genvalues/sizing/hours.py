"""Hours of a run from its FLOPs and a utilisation. Unit: hours of wall time, and of one GPU."""

from dataclasses import dataclass

from vlm_sft.genvalues.sizing.flops import row_flops
from vlm_sft.genvalues.sizing.gpu import Gpu
from vlm_sft.genvalues.sizing.run_shape import RunShape

# Published model FLOPs utilisation: vision-language models 30 to 40 % (LMMs-Engine, 32 A800, FSDP2),
# dense text 44 to 58 % (ms-swift on A800, torchtitan on A100), experts under ZeRO-3 4 %.
PUBLISHED_MFU = {"vision-language": (0.30, 0.40), "text": (0.40, 0.58)}


@dataclass(frozen=True)
class Hours:
    """How long, with what was assumed."""

    steps: int
    rows: int
    tokens: float
    model_flops: float
    mfu: float
    mfu_range: tuple[float, float]
    wall_hours: float
    gpus: int

    @property
    def gpu_hours(self) -> float:
        """Hours of one GPU."""
        return self.wall_hours * self.gpus

    def wall_hours_at(self, mfu: float) -> float:
        """Return the wall time at another utilisation."""
        return self.wall_hours * self.mfu / mfu


def hours(run: RunShape, steps: int, gpu: Gpu, mfu: float | None = None) -> Hours:
    """Return the time of `steps` optimizer steps of full rows; shorter rows take less."""
    kind = "text" if run.shape.vision is None else "vision-language"
    used = mfu or PUBLISHED_MFU[kind][0]  # the low end: few runs are tuned
    rows = steps * run.effective_batch
    flops = row_flops(run).model * rows
    wall_hours = flops / (used * gpu.bf16_tflops * 1e12 * run.world) / 3600
    tokens = float(rows) * run.seq_len_tokens
    return Hours(steps, rows, tokens, flops, used, PUBLISHED_MFU[kind], wall_hours, run.world)
