"""Callbacks of `megatron sft`: the counterpart of run_recorder.py for ms-swift's Megatron trainer.

That trainer counts no tokens and splits each weight, so its record has neither tokens nor fingerprints.
"""

import os
import time
from pathlib import Path
from typing import Any

import torch.distributed as dist
from swift.megatron.callbacks import MegatronCallback, megatron_callbacks_map
from vlm_sft.runs.best_link import link_best
from vlm_sft.train.recording import keeps_best
from vlm_sft.train.swift_plugin.run_recorder import ATTEMPT, gather, machine, write
from vlm_sft.train.validation import add_perplexity, validations


class RunRecorder(MegatronCallback):  # type: ignore[misc]
    """Writes `record.json` on the first rank of each node; all ranks must call it, because values are gathered."""

    def on_train_begin(self) -> None:
        """Record the process group and the batch as they are before the first step."""
        args = self.args
        names = ("tensor_model", "pipeline_model", "expert_model", "context")
        sizes = {name.partition("_")[0]: getattr(args, f"{name}_parallel_size") for name in names}
        self.losses: list[float] = []
        self.validations: list[dict[str, Any]] = []
        self.started_s = time.monotonic()
        self.planned_steps = args.train_iters
        self.record: dict[str, Any] = {
            "world_size": dist.get_world_size() if dist.is_initialized() else 1,
            "ranks_in_all_reduce": len(gather(None)),
            "parallel_mode": " x ".join(f"{name} {size}" for name, size in sizes.items()),
            "wrapper": type(self.trainer.wrapped_models[0]).__name__,
            "batch_size_per_gpu": args.micro_batch_size,
            "gradient_accumulation_steps": args.num_microbatches,
            "effective_batch_size": args.global_batch_size,
            "max_steps": args.train_iters,
            "first_step": self.state.iteration,
            "trainable_parameters": sum(  # in this rank's part of the model
                p.numel() for model in self.trainer.wrapped_models for p in model.parameters() if p.requires_grad
            ),
            "initial_fingerprints": [None],
            "gradient_fingerprints": [],
        }

    def on_log(self, logs: dict[str, Any]) -> None:
        """Collect the losses, which only the ranks of the last pipeline stage have, and add the perplexity.

        This callback is the first one, so ms-swift's own log it too.
        """
        add_perplexity(logs)
        self.validations += validations([{**logs, "step": self.state.iteration}])
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))

    def on_save(self, output_dir: str) -> None:
        """Link the best checkpoint."""
        if keeps_best() and (not dist.is_initialized() or dist.get_rank() == 0):
            link_best(Path(self.args.output_dir), self.state.best_model_checkpoint)

    def on_train_end(self) -> None:
        """Record how the run ended and write the file once per node; all ranks wait for it."""
        state = self.state
        losses = gather(self.losses)[-1]
        epochs = self.args.num_train_epochs
        self.record |= {
            "steps": state.iteration,
            "epochs": epochs * state.iteration / self.planned_steps if epochs else None,
            "stop_requested": StopOnRequest.requested,
            "first_loss": losses[0] if losses else None,
            "last_loss": losses[-1] if losses else None,
            "tokens": None,
            "tokens_per_s": None,
            "train_seconds": time.monotonic() - self.started_s,
            "final_fingerprints": [None],
            "best_checkpoint": state.best_model_checkpoint,
            "validation": gather(self.validations)[-1],
            **machine(),
        }
        if os.environ.get("LOCAL_RANK", "0") == "0":
            write("record.json", self.record)
        if dist.is_initialized():
            dist.barrier()


class StopOnRequest(MegatronCallback):  # type: ignore[misc]
    """Ends the run after this step when any rank sees the stop file; ms-swift's `default_flow` runs next and saves."""

    requested = False

    def on_step_end(self) -> None:
        """Agree with all ranks, and make this step the last one of ms-swift's training loop, which saves it."""
        args, state = self.args, self.state
        requested = any(gather((ATTEMPT / "stop").exists()))
        if requested and state.iteration < args.train_iters:
            StopOnRequest.requested = True
            args.train_iters = state.iteration
            args.eval_iters = 0


def register() -> None:
    """Register the callbacks with ms-swift under the names that `vlm_sft.train.trainer` uses."""
    megatron_callbacks_map["run_recorder"] = RunRecorder
    megatron_callbacks_map["stop_on_request"] = StopOnRequest
