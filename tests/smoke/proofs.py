"""What a smoke run has to prove, each as one sentence that holds or not."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file


@dataclass(frozen=True)
class Proof:
    """A claim about the run, whether it holds, and the figures behind it."""

    claim: str
    holds: bool
    shown_by: str


def proofs(run_dir: Path, processes: int, effective_batch_size: int) -> Iterator[Proof]:
    """Yield every proof of a finished run.

    Args:
        run_dir: the run directory with run_report.json, checkpoints and evaluation/.
        processes: number of ranks in the values file.
        effective_batch_size: as the chart computed it for the Job.
    """
    report = json.loads((run_dir / "run_report.json").read_bytes())
    ddp = report["ddp"]
    yield Proof(
        f"the {processes} ranks were one DDP group",
        report["world_size"] == ddp["ranks_in_all_reduce"] == processes
        and ddp["parallel_mode"] == "DISTRIBUTED"
        and report["wrapper"] == "DistributedDataParallel"
        and ddp["same_gradient_on_all_ranks"] is True,
        f"all-reduce of ones gave {ddp['ranks_in_all_reduce']}, {report['wrapper']}, one gradient on all ranks",
    )
    yield Proof(
        "the effective batch is the one of the chart",
        report["effective_batch_size"] == effective_batch_size,
        f"{report['effective_batch_size']} in the trainer, {effective_batch_size} on the Job",
    )
    first, last = report["first_loss"], report["last_loss"]
    yield Proof("the loss fell", last < 0.98 * first, f"{first:.3f} -> {last:.3f} in {report['steps']} steps")
    yield from _adapter(Path(report["checkpoint"]), ddp)
    yield from _evaluation(run_dir)


def _adapter(checkpoint: Path, ddp: dict[str, Any]) -> Iterator[Proof]:
    """Compare the adapter on disk with the ranks' weights."""
    tensors = load_file(checkpoint / "adapter_model.safetensors")
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].tobytes())
    # PEFT initialises every lora_B to zero, so an untrained adapter has only zeros there
    moved = sum(bool(tensor.any()) for name, tensor in tensors.items() if "lora_B" in name)
    yield Proof(
        "the adapter on disk was trained",
        ddp["weights_changed"] is True and moved > 0,
        f"{moved} of {len(tensors) // 2} lora_B matrices are nonzero, {checkpoint.name}",
    )
    yield Proof(
        "the adapter on disk equals the one on every rank",
        ddp["same_weights_on_all_ranks"] is True and digest.hexdigest() == ddp["weights_sha256"],
        f"SHA-256 {digest.hexdigest()[:12]} on disk, {ddp['weights_sha256'][:12]} on each rank",
    )


def _evaluation(run_dir: Path) -> Iterator[Proof]:
    """Check the merged model, its export and its answers."""
    merged = [path.parent for path in run_dir.glob("checkpoint-*-merged/*.safetensors")]
    exported = load_file(run_dir / "export" / "model.safetensors")
    alike = bool(merged) and load_file(merged[0] / "model.safetensors")
    (predictions,) = run_dir.glob("evaluation/*/*/predictions.jsonl")
    lines = predictions.read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line)["response"] for line in lines]
    written = sum(bool(answer) for answer in answers)
    yield Proof("the adapter can be merged", bool(merged), merged[0].name if merged else "no merged folder")
    same = bool(alike) and alike.keys() == exported.keys() and all((alike[n] == exported[n]).all() for n in exported)
    yield Proof(
        "the export is the model that was evaluated", same, f"{len(exported)} tensors in export/model.safetensors"
    )
    yield Proof(
        "the merged model generates text",
        written == len(answers) > 0,
        f"{written} of {len(answers)} answers, e.g. {next(filter(str.isascii, filter(None, answers)), '')[:24]!r}",
    )
