"""`megatron sft` under the same supervisor: its entry point, its checkpoints, its graceful stop. No GPU is needed."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from vlm_sft.runs.checkpoint import incomplete, newest_complete
from vlm_sft.runs.report import evidence, table
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.train.nodes.node_group import Attempt
from vlm_sft.train.nodes.place import read_place
from vlm_sft.train.preflight import Needs, problems
from vlm_sft.train.trainer import launch

NOTHING = Needs(gpus=0, data_marker=None, min_free_gib=0, gated=False)
ARGS = {"model": "org/model", "dataset": ["org/rows"], "micro_batch_size": 1, "global_batch_size": 16}
ENV = {"NPROC_PER_NODE": "8"}


def config(tmp_path: Path, **args: object) -> SwiftConfig:
    return SwiftConfig(tmp_path / "train.yaml", {**ARGS, "output_dir": str(tmp_path / "out"), **args}, ENV)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of ms-swift 4.6.0 and megatron-core 0.16: a LoRA run on two ranks at step 20."""
    made = tmp_path / "checkpoint-20"
    states = made / "iter_0000020"
    states.mkdir(parents=True)
    for name in ("common.pt", ".metadata", "metadata.json", "__0_0.distcp", "__1_0.distcp"):
        (states / name).write_bytes(b"x")
    (made / "latest_checkpointed_iteration.txt").write_text("20")
    return made


@pytest.mark.parametrize(("tuner", "weights"), [("full", "mcore_model"), ("lora", "mcore_adapter")])
def test_megatron_is_started_from_its_own_entry_point_and_checkpoint(
    tmp_path: Path, checkpoint: Path, tuner: str, weights: str
) -> None:
    started = launch(config(tmp_path, tuner_type=tuner), read_place(ENV), Attempt("a", checkpoint), tmp_path)
    words = started.command
    assert words[1:5] == ["-m", "torch.distributed.run", "--nproc_per_node", "8"]
    assert next(Path(word) for word in words if word.endswith("sft.py")).parts[-3:] == ("cli", "_megatron", "sft.py")
    assert Path(words[words.index("--external_plugins") + 1]).name == "megatron_recorder.py"
    assert words[words.index(f"--{weights}") + 1] == str(checkpoint)
    assert words[words.index("--finetune") + 1] == "False"
    assert "--resume_from_checkpoint" not in words


def test_a_complete_checkpoint_of_megatron_is_resumed_from(checkpoint: Path) -> None:
    assert newest_complete(checkpoint.parent) == (checkpoint, [])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("latest_checkpointed_iteration.txt", "latest_checkpointed_iteration.txt is missing or truncated"),
        ("iter_0000020/.metadata", "iter_0000020/.metadata is missing or empty"),
        ("iter_0000020/metadata.json", "iter_0000020/metadata.json is missing or empty"),
        ("iter_0000020/common.pt", "iter_0000020/common.pt is missing or empty"),
        ("iter_0000020/__1_0.distcp", "iter_0000020 lacks shards"),
    ],
)
def test_an_incomplete_checkpoint_of_megatron_is_skipped(checkpoint: Path, name: str, problem: str) -> None:
    (checkpoint / name).write_bytes(b"")
    assert incomplete(checkpoint) == problem


def test_a_checkpoint_of_another_step_is_not_used(checkpoint: Path) -> None:
    (checkpoint / "latest_checkpointed_iteration.txt").write_text("10")
    assert incomplete(checkpoint) == "latest_checkpointed_iteration.txt belongs to another step"


def test_an_image_without_megatron_is_reported_and_not_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (problem,) = problems(config(tmp_path), NOTHING)
    assert problem.permanent
    assert problem.message == (
        "megatron-core, mcore-bridge, transformer-engine: not in this image, but train.backend megatron needs it; "
        "derive an image that has it (see the chart's README), or use train.backend: swift"
    )


def test_arguments_are_those_of_megatron_sft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    (problem,) = problems(config(tmp_path, learning_rate=1e-4, lr=1e-4), NOTHING)
    assert problem.message.startswith("learning_rate: megatron sft of ms-swift 4.6.0 has no such argument")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The plug-in with ms-swift's own callback classes, which need no megatron-core when loaded separately."""
    spec = importlib.util.find_spec("swift")
    assert spec is not None
    assert spec.origin is not None
    callbacks = ModuleType("swift.megatron.callbacks")
    callbacks.__path__ = [str(Path(spec.origin).parent / "megatron" / "callbacks")]
    monkeypatch.setitem(sys.modules, "swift.megatron", ModuleType("swift.megatron"))
    monkeypatch.setitem(sys.modules, "swift.megatron.callbacks", callbacks)
    for name in ("base", "default_flow"):
        monkeypatch.delitem(sys.modules, f"swift.megatron.callbacks.{name}", raising=False)
    callbacks.MegatronCallback = importlib.import_module("swift.megatron.callbacks.base").MegatronCallback
    callbacks.megatron_callbacks_map = {
        "default_flow": importlib.import_module("swift.megatron.callbacks.default_flow").DefaultFlowCallback
    }
    monkeypatch.setenv("VLM_SFT_ATTEMPT_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the plug-in sets its own
    for name in ("run_recorder", "megatron_callbacks", "megatron_recorder"):
        monkeypatch.delitem(sys.modules, f"vlm_sft.train.swift_plugin.{name}", raising=False)
    importlib.import_module("vlm_sft.train.swift_plugin.megatron_recorder")
    yield sys.modules["vlm_sft.train.swift_plugin.megatron_callbacks"]
    for name in ("base", "default_flow"):
        sys.modules.pop(f"swift.megatron.callbacks.{name}", None)
    package = sys.modules["vlm_sft.train.swift_plugin"]
    for name in ("run_recorder", "megatron_callbacks", "megatron_recorder"):
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def trained(plugin: Any, at_step: Callable[[int], None]) -> list[int]:
    """Run the loop of ms-swift's Megatron trainer with its callbacks in its order; return the saved steps."""
    sizes = dict.fromkeys((f"{n}_parallel_size" for n in ("tensor_model", "pipeline_model", "expert_model")), 1)
    args = SimpleNamespace(
        **sizes, context_parallel_size=1, micro_batch_size=1, num_microbatches=2, global_batch_size=2, train_iters=10,
        num_train_epochs=1, logging_steps=1, eval_steps=5, eval_iters=1, save_steps=4, manual_gc=False,
    )  # fmt: skip
    state = SimpleNamespace(
        iteration=0, consumed_train_samples=0, should_save=False, should_eval=False, should_log=False,
        best_model_checkpoint=None,
    )  # fmt: skip
    trainer = SimpleNamespace(args=args, state=state, wrapped_models=[sys.modules["torch"].nn.Linear(2, 3)])
    order = ("run_recorder", "stop_on_request", "default_flow")
    callbacks = [plugin.megatron_callbacks_map[name](trainer) for name in order]

    def call(event: str, **kwargs: Any) -> None:
        for callback in callbacks:
            getattr(callback, event)(**kwargs)

    saved = []
    call("on_train_begin")
    while state.iteration < args.train_iters:
        state.iteration += 1
        at_step(state.iteration)
        call("on_step_end")
        call("on_log", logs={"loss": 3.0 - state.iteration / 10})
        if state.should_eval:
            state.should_eval = False
            logs = {"eval_loss": 1.0}
            call("on_log", logs=logs)
            assert logs["eval_perplexity"] == pytest.approx(2.71828, rel=1e-4)  # what ms-swift's own callbacks log
        if state.should_save:
            state.should_save = False
            saved.append(state.iteration)
    call("on_train_end")
    return saved


def test_the_plug_in_needs_no_megatron_outside_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLM_SFT_ATTEMPT_DIR", raising=False)
    monkeypatch.delitem(sys.modules, "vlm_sft.train.swift_plugin.megatron_recorder", raising=False)
    importlib.import_module("vlm_sft.train.swift_plugin.megatron_recorder")
    assert "vlm_sft.train.swift_plugin.megatron_callbacks" not in sys.modules


@pytest.mark.filterwarnings("ignore")  # of ms-swift's imports
def test_a_request_to_stop_ends_megatron_after_the_step_with_a_checkpoint(plugin: Any, tmp_path: Path) -> None:
    def request_stop(step: int) -> None:
        if step == 6:
            (tmp_path / "stop").touch()

    assert trained(plugin, request_stop) == [4, 6]
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["stop_requested"] is True
    assert (record["steps"], record["max_steps"], record["epochs"]) == (6, 10, 0.6)
    assert (record["first_loss"], record["last_loss"]) == (2.9, 2.4)
    assert record["trainable_parameters"] == 9
    assert evidence(record)["parallel_mode"] == "tensor 1 x pipeline 1 x expert 1 x context 1"


@pytest.mark.filterwarnings("ignore")
def test_an_uninterrupted_run_of_megatron_is_finished_and_reported(plugin: Any, tmp_path: Path) -> None:
    assert trained(plugin, lambda _: None) == [4, 8, 10]
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["stop_requested"], record["steps"]) == (False, 10)
    assert [(entry["step"], entry["eval_loss"]) for entry in record["validation"]] == [(5, 1.0), (10, 1.0)]
    report = {**record, "status": "finished", "seconds": 1.0, "checkpoint": "c", "world_size": 4}
    shown = dict(line.split("  ", 1) for line in table(report).splitlines())
    assert shown["effective batch size"].strip() == "2 (1 per process x 2 accumulation x 1 data-parallel ranks)"
    assert shown["tokens"].strip() == "-"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("keep", "target"), [("1", "checkpoint-20"), ("", None)])
def test_megatron_links_its_best_checkpoint_only_on_request(
    plugin: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, keep: str, target: str | None
) -> None:
    monkeypatch.setenv("VLM_SFT_KEEP_BEST", keep)
    args = SimpleNamespace(output_dir=str(checkpoint.parent))
    state = SimpleNamespace(best_model_checkpoint=str(checkpoint))
    plugin.RunRecorder(SimpleNamespace(args=args, state=state)).on_save(output_dir=str(checkpoint))
    best = checkpoint.parent / "best"
    assert (best.readlink().name if best.is_symlink() else None) == target
