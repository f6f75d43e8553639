"""Real training with validation: which checkpoint is the best, and what is reported of each evaluation."""

import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.io_wrapper import GetLogdirSubdirectories
from vlm_sft.train.validation import add_perplexity

BATCH = re.compile(r"batch \d+ of step \d+: .*")
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and what it printed."""

    folder: Path
    printed: str

    def logged(self, key: str) -> dict[int, float]:
        """Return a metric of logging.jsonl at each of its steps."""
        entries = [json.loads(line) for line in (self.folder / "logging.jsonl").read_text().splitlines()]
        return {int(entry["global_step/max_steps"].split("/")[0]): entry[key] for entry in entries if key in entry}

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run_report.json").read_bytes())
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with two checkpoints. Its loss falls, so the best one is here the one with the highest loss: the first."""
    folder = tmp_path_factory.mktemp("validation")
    vlm_sft("sample", folder)
    images = ("--image-root", folder / "images")
    vlm_sft("prepare", "fire", "--input", folder / "fire", "--output-dir", folder / "fire_bc", *images)
    rows = {name: str(folder / "fire_bc" / f"fire_bc_{split}.jsonl") for name, split in
            [("dataset", "train"), ("val_dataset", "test")]}  # fmt: skip
    config = {
        **rows, "model": str(folder / "model"), "model_type": "qwen3_vl", "template": "qwen3_vl", "use_hf": True,
        "tuner_type": "lora", "target_modules": "all-linear", "torch_dtype": "float32", "max_length": 2048,
        "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "per_device_eval_batch_size": 1,
        "max_steps": 8, "save_steps": 2, "eval_steps": 2, "save_total_limit": 2, "logging_steps": 1,
        "learning_rate": 0.02, "lr_scheduler_type": "constant", "dataset_num_proc": 1, "greater_is_better": True,
        "dataloader_num_workers": 0, "use_cpu": True, "add_version": False, "output_dir": str(folder / "run"),
        "report_to": ["tensorboard"],
        "ENV": {"NPROC_PER_NODE": 1, "IMAGE_MAX_TOKEN_NUM": 16, "OMP_NUM_THREADS": 1},
    }  # fmt: skip
    (folder / "train.yaml").write_text(yaml.safe_dump(config))
    return Run(
        folder / "run",
        vlm_sft(
            "train", folder / "train.yaml", "--keep-best", "--log-batches", "first-last", "--links", folder / "by_date"
        ),
    )


def vlm_sft(*words: object) -> str:
    done = subprocess.run([BIN / "vlm-sft", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_best_checkpoint_is_linked_and_outlives_the_limit_of_checkpoints(run: Run) -> None:
    losses = run.logged("eval_loss")
    assert list(losses) == [2, 4, 6, 8]
    assert max(losses, key=lambda step: losses[step]) == 2
    assert (run.folder / "best").readlink() == Path("checkpoint-2")
    assert {path.name for path in run.folder.glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-8"}
    assert (run.folder / "best" / "adapter_model.safetensors").is_file()
    assert run.report()["best_checkpoint"] == str(run.folder / "checkpoint-2")
    assert run.report()["checkpoint"] == str(run.folder / "checkpoint-8")


def test_the_perplexity_of_each_evaluation_is_logged_and_reported(run: Run) -> None:
    losses, perplexities = run.logged("eval_loss"), run.logged("eval_perplexity")
    assert list(perplexities) == [2, 4, 6, 8]
    for step, loss in losses.items():
        assert perplexities[step] == pytest.approx(math.exp(loss), rel=1e-6)
    curve = EventAccumulator(str(run.folder / "runs")).Reload().Scalars("eval/perplexity")
    assert {event.step: event.value for event in curve} == pytest.approx(perplexities, rel=1e-6)
    reported = run.report()["validation"]
    assert {entry["step"]: entry["eval_perplexity"] for entry in reported} == pytest.approx(perplexities, rel=1e-6)
    assert {entry["step"]: entry["eval_loss"] for entry in reported} == pytest.approx(losses, rel=1e-6)
    assert reported[0]["epoch"] == pytest.approx(2 / 11, rel=0.1)
    assert f"validation, last           loss {losses[8]:.4f}, perplexity {perplexities[8]:.4g} at step 8" in run.printed


@pytest.mark.parametrize(("loss", "perplexity"), [(0.0, 1.0), (1.0, math.e), (1e6, math.inf)])
def test_the_perplexity_is_the_exponential_of_the_loss(loss: float, perplexity: float) -> None:
    logs = {"eval_loss": loss}
    add_perplexity(logs)
    assert logs == {"eval_loss": loss, "eval_perplexity": pytest.approx(perplexity)}


def test_a_loss_that_is_no_number_has_a_perplexity_that_is_none() -> None:
    logs = {"eval_loss": math.nan}
    add_perplexity(logs)
    assert math.isnan(logs["eval_perplexity"])


def test_training_steps_have_no_perplexity() -> None:
    logs = {"loss": 1.0}
    add_perplexity(logs)
    assert logs == {"loss": 1.0}


def test_the_first_and_the_last_batch_of_each_epoch_are_logged(run: Run) -> None:
    rows = [
        json.loads(line) for line in (run.folder.parent / "fire_bc" / "fire_bc_train.jsonl").read_text().splitlines()
    ]
    steps = [re.sub(r":.*", "", line) for line in BATCH.findall(run.printed)]
    assert steps == ["batch 1 of step 1", "batch 2 of step 8"]  # eight steps of four rows are less than an epoch
    assert len(rows) > 8 * 4
    for line in BATCH.findall(run.printed):
        found = re.fullmatch(r"batch \d of step \d: 2 rows x (\d+) tokens, (\d+) trained, 2 images", line)
        assert found, line
        assert 0 < int(found[2]) < int(found[1]) * 2


def test_the_run_is_linked_by_its_date_and_named_in_the_report(run: Run) -> None:
    link = Path(run.report()["link"])
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d_{run.folder.parent.name}_run", link.name)
    assert link.parent == run.folder.parent / "by_date"
    assert link.resolve() == (link.parent / f"latest_{run.folder.parent.name}").resolve() == run.folder.resolve()


def test_tensorboard_shows_the_run_once(run: Run) -> None:
    """It follows links: to the best checkpoint, which has no curves, but not to those by date, beside its folder."""
    assert list(GetLogdirSubdirectories(str(run.folder))) == [str(run.folder / "runs")]
