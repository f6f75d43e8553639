"""Plug-in for ms-swift's `external_plugins`: records facts of a run, and stops it on request.

It has two callbacks, both named on ms-swift's command line by `vlm_sft.train.trainer`:
- `run_recorder` writes what only the ranks know (one process group? which batch? the same weights at the end?) to
  `record.json` in VLM_SFT_ATTEMPT_DIR, a folder of this node and this attempt.
- `stop_on_request` is ms-swift's own graceful exit, triggered by the file `stop` in that folder.

An error that ends a rank is written there too, as `rank-<N>.json`: see `vlm_sft.train.failure`.
The folder of this module must hold only plug-ins: ms-swift puts it at the front of `sys.path`.
"""

import hashlib
import json
import math
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
from swift.utils import ShutdownManager, get_logger
from vlm_sft.runs.best_link import link_best
from vlm_sft.train.curve import VARIABLE
from vlm_sft.train.recording import keeps_best, logged_batches
from vlm_sft.train.swift_plugin.batch_log import BatchLog
from vlm_sft.train.trainer import STARTED_WITH
from vlm_sft.train.validation import add_perplexity, validations

# Unset when `swift infer` or `swift export` load this file because a checkpoint's args.json names it.
ATTEMPT = Path(os.environ.get("VLM_SFT_ATTEMPT_DIR", os.devnull))
FINGERPRINT_LIMIT_BYTES = 2 << 30  # a rank-32 adapter of a 32B model is 1 GiB; hashing full weights takes too long


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
    """Return this rank's peak: of the GPU's allocator if there is a GPU, else of the process's resident memory."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # ru_maxrss is in KiB on Linux


def machine() -> dict[str, Any]:
    """Return peak memory and versions for the record; all ranks must call it."""
    cuda = torch.cuda.is_available()
    return {
        "peak_memory_gib": gather(peak_memory_gib()),
        "peak_memory_of": "gpu" if cuda else "process",
        "python": sys.version.split()[0],
        "cuda": torch.version.cuda if cuda else None,
    }


def write(name: str, facts: dict[str, Any]) -> None:
    """Write a file into this attempt's folder, whole or not at all."""
    temporary = ATTEMPT / f"{name}.tmp"
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    temporary.replace(ATTEMPT / name)


def _write_failure(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Let Python print the error that ended this rank, then write it for the supervisor."""
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


class NonFiniteError(ArithmeticError):
    """The gradient is NaN or infinite; transformers then logs a loss of 0 and trains nothing to the end of the run."""


class RunRecorder(TrainerCallback):  # type: ignore[misc]
    """Writes `record.json` on the first rank of each node; all ranks must call it, because values are gathered."""

    def __init__(self, args: Any, trainer: Any) -> None:  # noqa: ANN401 - ms-swift's types need the whole package
        super().__init__(args, trainer)
        args.include_num_input_tokens_seen = "non_padding"  # ms-swift's command line accepts only true and false
        self.record: dict[str, Any] = {}
        self.started_s = 0.0
        self.tokens_before = 0
        self.batch_log: BatchLog | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Record the process group, the batch and the adapter before the first step."""
        state.compute_steps(args, state.max_steps)  # a checkpoint brings its own logging_steps, save_steps, eval_steps
        ones = torch.ones(1, device=args.device)
        if dist.is_initialized():
            dist.all_reduce(ones)
        model = kwargs["model"]
        ranks = args.world_size // self.trainer.template.sequence_parallel_size  # with different rows
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
        self._check_logs(args, state)
        if logged_batches() != "none" and state.is_world_process_zero:
            self._log_batches(state)
        self.tokens_before = int(state.num_input_tokens_seen)
        self.started_s = time.monotonic()

    def _check_logs(self, args: Any, state: Any) -> None:  # noqa: ANN401
        """Let the trainer add the perplexity, and refuse a diverged run, before any of its callbacks logs or saves."""
        log = self.trainer.log

        def checked(logs: dict[str, Any], *more: Any, **kwargs: Any) -> None:  # noqa: ANN401
            norm, loss = float(logs.get("grad_norm", 0.0)), float(logs.get("loss", 1.0))
            # transformers logs a loss of 0 where it was not finite; with float16 only the scaled gradient may overflow.
            if not math.isfinite(norm) and (not args.fp16 or loss == 0 or not math.isfinite(loss)):
                raise NonFiniteError(
                    f"step {state.global_step}: the gradient's norm is {norm}; lower learning_rate or max_grad_norm, "
                    "or use torch_dtype float32; checkpoints of earlier steps are kept"
                )
            add_perplexity(logs)
            log(logs, *more, **kwargs)

        self.trainer.log = checked

    def _log_batches(self, state: Any) -> None:  # noqa: ANN401
        """Let the trainer show each batch to the log before its forward pass."""
        batch_log = BatchLog(every=logged_batches() == "all", log=get_logger().info)
        training_step = self.trainer.training_step

        def with_log(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            batch_log.seen(state.global_step + 1, inputs)
            return training_step(model, inputs, *args, **kwargs)

        self.trainer.training_step = with_log
        self.batch_log = batch_log

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Log the last batch of the epoch."""
        if self.batch_log is not None:
            self.batch_log.epoch_ended()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Record the first gradient of every rank: their data differ, so equal gradients prove a DDP group."""
        if not self.record["gradient_fingerprints"]:
            gradients = {n: p.grad for n, p in _trainable(kwargs["model"]).items() if p.grad is not None}
            self.record["gradient_fingerprints"] = gather(fingerprint(gradients))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Add to a sharded checkpoint what a resumed run needs, and link the best one."""
        if self.trainer.is_fsdp_enabled:
            from vlm_sft.train.swift_plugin.fsdp_checkpoint import complete

            complete(self.trainer.model, Path(args.output_dir) / f"checkpoint-{state.global_step}")
        if state.is_world_process_zero and keeps_best():
            link_best(Path(args.output_dir), state.best_model_checkpoint)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Record how the run ended and write the file once per node; all ranks wait for it."""
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
            "final_fingerprints": gather(fingerprint(_trainable(kwargs["model"]))),
            "best_checkpoint": state.best_model_checkpoint,
            "validation": validations(state.log_history),
            **machine(),
        }
        if state.is_local_process_zero:
            write("record.json", self.record)
        if dist.is_initialized():
            dist.barrier()


class StopOnRequest(GracefulExitCallback):  # type: ignore[misc]
    """ms-swift's graceful exit, triggered by this run's own stop file: all ranks agree, save, and stop."""

    requested = False

    def __init__(self, args: Any, trainer: Any) -> None:  # noqa: ANN401
        super().__init__(args, trainer)
        self.shutdown_manager = ShutdownManager(stop_file=str(ATTEMPT / "stop"))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Stop after the save that the request caused, and record that it was a request."""
        stopping = control.should_training_stop
        control = super().on_save(args, state, control, **kwargs)
        if control.should_training_stop and not stopping:
            StopOnRequest.requested = True
        return control


callbacks_map["run_recorder"] = RunRecorder
callbacks_map["stop_on_request"] = StopOnRequest
if STARTED_WITH in os.environ:
    from vlm_sft.train.swift_plugin.row_order import keep_order

    keep_order(int(os.environ[STARTED_WITH]))
if VARIABLE in os.environ:
    from vlm_sft.train.swift_plugin.accuracy_curve import AccuracyCurve

    callbacks_map["accuracy_curve"] = AccuracyCurve
if "VLM_SFT_ATTEMPT_DIR" in os.environ:
    sys.excepthook = _write_failure
