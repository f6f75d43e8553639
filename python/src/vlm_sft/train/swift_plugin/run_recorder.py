"""Plug-in for ms-swift's `external_plugins`: records what a run really was, and stops it when it is asked to.

Two callbacks, both named on ms-swift's command line by `vlm_sft.train.launch`:
`run_recorder` writes facts that only the ranks know (was it one process group, what was the batch, did all ranks end
with the same weights) to `record.json` in VLM_SFT_ATTEMPT_DIR, a folder of this node and this attempt;
`stop_on_request` is ms-swift's own graceful exit with the file `stop` of that folder.
An error that ends a rank is left there too, as `rank-<N>.json`: see `vlm_sft.train.failure`.
This folder holds nothing else: ms-swift puts it at the front of `sys.path`.
"""

import hashlib
import json
import os
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from swift.callbacks import TrainerCallback, callbacks_map
from swift.callbacks.deepspeed_elastic import GracefulExitCallback
from swift.utils import ShutdownManager

# `swift infer` and `swift export` load this file too where a checkpoint's args.json names it: there is no attempt then.
ATTEMPT = Path(os.environ.get("VLM_SFT_ATTEMPT_DIR", os.devnull))
FINGERPRINT_LIMIT_BYTES = 2 << 30  # a rank-32 adapter of a 32B model is 1 GiB; full weights are not worth the copy


def gather(value: object) -> list[Any]:
    """Return `value` of every rank, in rank order."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def fingerprint(tensors: dict[str, torch.Tensor]) -> str | None:
    """Return the SHA-256 of named tensors in name order, or None when they are sharded or too large to hash."""
    total_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    sharded = any(hasattr(tensor, "ds_id") or hasattr(tensor, "placements") for tensor in tensors.values())
    if sharded or not 0 < total_bytes <= FINGERPRINT_LIMIT_BYTES:
        return None
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.replace(".default.", ".").encode())
        digest.update(tensors[name].detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _trainable(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def peak_memory_gib() -> float:
    """Return this rank's peak: of the GPU's allocator where there is one, else of the process's resident memory."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # ru_maxrss is in KiB on Linux


def write(name: str, facts: dict[str, Any]) -> None:
    """Write a file into this attempt's folder, whole or not at all."""
    temporary = ATTEMPT / f"{name}.tmp"
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(ATTEMPT / name)


def _leave_failure(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Let Python tell what ended this rank as ever, then leave it for the supervisor."""
    sys.__excepthook__(kind, error, at)
    lines = str(error).strip().splitlines() or [""]
    rank = int(os.environ.get("RANK", "0"))
    facts = {
        "rank": rank,
        "type": kind.__name__,
        "message": lines[0][:500],
        "functions": [frame.name for frame in traceback.extract_tb(at)],
        "time_s": time.time(),
        "peak_memory_gib": peak_memory_gib(),
        "free_gib": shutil.disk_usage(os.environ["VLM_SFT_RUN_DIR"]).free / 2**30,
    }
    write(f"rank-{rank}.json", facts)


class RunRecorder(TrainerCallback):  # type: ignore[misc]
    """Writes `record.json` on the first rank of each node; all ranks take part in gathering."""

    def __init__(self, args: Any, trainer: Any) -> None:  # noqa: ANN401 - ms-swift's types need its whole import
        super().__init__(args, trainer)
        args.include_num_input_tokens_seen = "non_padding"  # ms-swift's command line takes only true and false here
        self.record: dict[str, Any] = {}
        self.started_s = 0.0
        self.tokens_before = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Record the process group, the batch and the adapter as they are before the first step."""
        ones = torch.ones(1, device=args.device)
        if dist.is_initialized():
            dist.all_reduce(ones)
        model = kwargs["model"]
        ranks = args.world_size // self.trainer.template.sequence_parallel_size  # that see rows of their own
        trainable = _trainable(model)
        self.record = {
            "world_size": dist.get_world_size() if dist.is_initialized() else 1,
            "ranks_in_all_reduce": int(ones.item()),
            "parallel_mode": args.parallel_mode.name,
            "wrapper": type(self.trainer.model_wrapped).__name__,
            "batch_size_per_gpu": args.per_device_train_batch_size,
            "gradient_accumulation_steps": args.gradient_accumulation_steps,
            "effective_batch_size": args.train_batch_size * args.gradient_accumulation_steps * ranks,
            "max_steps": state.max_steps,
            "first_step": state.global_step,
            "trainable_parameters": sum(p.numel() for p in trainable.values()),
            "initial_fingerprints": gather(fingerprint(trainable)),
            "gradient_fingerprints": [],
        }
        self.tokens_before = int(state.num_input_tokens_seen)
        self.started_s = time.monotonic()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Record once that every rank holds the same gradient: their data differ, so only a DDP group gets there."""
        if not self.record["gradient_fingerprints"]:
            gradients = {n: p.grad for n, p in _trainable(kwargs["model"]).items() if p.grad is not None}
            self.record["gradient_fingerprints"] = gather(fingerprint(gradients))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Make a checkpoint of shards one that a run can be resumed from."""
        if self.trainer.is_fsdp_enabled:
            from vlm_sft.train.swift_plugin.fsdp_checkpoint import complete

            complete(self.trainer.model, Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Record how the run ended and write the file once a node; all ranks wait for it."""
        seconds = time.monotonic() - self.started_s
        tokens = int(state.num_input_tokens_seen) - self.tokens_before
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        self.record |= {
            "steps": state.global_step,
            "epochs": state.epoch,
            "stop_requested": StopOnRequest.requested,
            "first_loss": losses[0] if losses else None,
            "last_loss": losses[-1] if losses else None,
            "tokens": int(state.num_input_tokens_seen),
            "tokens_per_s": tokens / seconds,
            "train_seconds": seconds,
            "peak_memory_gib": gather(peak_memory_gib()),
            "peak_memory_of": "gpu" if torch.cuda.is_available() else "process",
            "final_fingerprints": gather(fingerprint(_trainable(kwargs["model"]))),
            "best_checkpoint": state.best_model_checkpoint,
            "python": sys.version.split()[0],
            "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        }
        if state.is_local_process_zero:
            write("record.json", self.record)
        if dist.is_initialized():
            dist.barrier()


class StopOnRequest(GracefulExitCallback):  # type: ignore[misc]
    """ms-swift's graceful exit, looking at this run's own stop file: all ranks agree, save, and stop."""

    requested = False

    def __init__(self, args: Any, trainer: Any) -> None:  # noqa: ANN401
        super().__init__(args, trainer)
        self.shutdown_manager = ShutdownManager(stop_file=str(ATTEMPT / "stop"))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Stop after the save that a request led to, and remember that it was a request."""
        stopping = control.should_training_stop
        control = super().on_save(args, state, control, **kwargs)
        if control.should_training_stop and not stopping:
            StopOnRequest.requested = True
        return control


callbacks_map["run_recorder"] = RunRecorder
callbacks_map["stop_on_request"] = StopOnRequest
if "VLM_SFT_ATTEMPT_DIR" in os.environ:
    sys.excepthook = _leave_failure
