"""Answers of the model during training, scored like those of `vlm-sft evaluate`: `evaluate.everySteps` of the chart.

Each rank answers its part of a fixed subset of the validation data, greedily. Nothing that training uses changes: no
random number is drawn, and the model returns to its mode. A point of RUN_DIR/curve.jsonl:

    {"step": 1000, "task": "robo2vlm", "accuracy": {"value": 0.84, "low": 0.74, "high": 0.91, "n": 64}}
"""

import json
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from swift.callbacks import TrainerCallback
from swift.infer_engine import InferRequest, RequestConfig, TransformersEngine
from swift.utils import unwrap_model_for_generation
from vlm_sft.evaluate.task import FinishReason, Prediction, Sample
from vlm_sft.train.curve import FILE, Curve, points_until, scored, subset

MAX_BATCH = 8  # answers that a rank generates together


class AccuracyCurve(TrainerCallback):  # type: ignore[misc]
    """Generates and scores after every `every_steps` optimizer steps; all ranks take part."""

    def __init__(self, args: Any, trainer: Any) -> None:  # noqa: ANN401 - ms-swift's types need the whole package
        super().__init__(args, trainer)
        self.curve = Curve.of_environment()
        self.samples: list[Sample] = []
        self.path = Path(args.output_dir) / FILE

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Choose the samples; drop points that this run repeats because it resumes from an earlier step."""
        self.samples = subset(self.curve)
        if state.is_world_process_zero and self.path.is_file():
            kept = points_until(self.path.read_text(encoding="utf-8"), state.global_step)
            self.path.write_text(kept, encoding="utf-8")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Add a point, and log it like the figures of an evaluation."""
        if state.global_step % self.curve.every_steps:
            return
        rank, ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        parts: list[Any] = [None] * ranks
        mine = self._answers(self.samples[rank::ranks])
        if dist.is_initialized():
            dist.all_gather_object(parts, mine)
        else:
            parts = [mine]
        point: list[Any] = [None]
        if rank == 0:
            by_id = {prediction.id: prediction for part in parts for prediction in part}
            figures = scored(self.curve.task, [by_id[sample.id] for sample in self.samples])
            point = [figures]
            line = {"step": state.global_step, "task": self.curve.task, **figures}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        if dist.is_initialized():
            dist.broadcast_object_list(point, src=0)
        self.trainer.log({f"eval_{name}": figure["value"] for name, figure in point[0].items()})

    def _answers(self, samples: list[Sample]) -> list[Prediction]:
        """Return this rank's predictions."""
        trainer, template = self.trainer, self.trainer.template
        was_training = trainer.model.training
        trainer.model.eval()
        request = RequestConfig(max_tokens=self.curve.max_new_tokens, temperature=0)
        requests = [InferRequest(messages=[dict(m) for m in s.messages], images=list(s.images)) for s in samples]
        packing, padding_free = template.packing, template.padding_free
        template.packing = template.padding_free = False
        try:
            with (
                torch.random.fork_rng(enabled=True),
                trainer.compute_loss_context_manager(),
                unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator, gather_deepspeed3_params=True),
                template.generate_context(),
            ):
                engine = TransformersEngine(trainer.model, template=template, max_batch_size=MAX_BATCH)
                replies = engine.infer(requests, request, use_tqdm=False) if requests else []
        finally:
            template.packing, template.padding_free = packing, padding_free
            trainer.model.train(was_training)
        return [_prediction(sample, reply) for sample, reply in zip(samples, replies, strict=True)]


def _prediction(sample: Sample, reply: Any) -> Prediction:  # noqa: ANN401
    choice = reply.choices[0]
    reason: FinishReason = choice.finish_reason if choice.finish_reason in ("stop", "length") else ""
    question = str(sample.messages[-1]["content"])
    text = str(choice.message.content or "").strip()
    return Prediction(sample.id, sample.group, question, sample.reference, text, reason)
