"""An export is complete or absent, is not repeated, and merges, converts or links as the weights require."""

import json
from pathlib import Path
from typing import Any

import pytest
from vlm_sft.errors import ConfigError, UserError
from vlm_sft.export import run
from vlm_sft.launch import gpus
from vlm_sft.runs.finished_run import exported

Call = tuple[str, str, dict[str, Any], dict[str, str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Replace ms-swift: record each call and write a model into its output folder."""
    found: list[Call] = []

    def run_swift(command: str, args: dict[str, Any], env: dict[str, str], log: object, program: str = "swift") -> None:
        found.append((program, command, args, env))
        Path(args["output_dir"]).mkdir()
        (Path(args["output_dir"]) / "model.safetensors").write_text("merged")

    monkeypatch.setattr(run, "run_swift", run_swift)
    return found


def finished(tmp_path: Path, *files: str) -> Path:
    checkpoint = tmp_path / "checkpoint-3"
    checkpoint.mkdir()
    for name in files:
        (checkpoint / name).write_text("{}")
    (tmp_path / "run_report.json").write_text(json.dumps({"status": "finished", "checkpoint": str(checkpoint)}))
    return checkpoint


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_an_adapter_is_merged_on_the_cpu_and_only_once(tmp_path: Path, calls: list[Call]) -> None:
    checkpoint = finished(tmp_path, "adapter_config.json", "adapter_model.safetensors")
    (tmp_path / "export.tmp").mkdir()  # from a lost pod
    logged: list[str] = []
    for _ in range(2):
        assert run.export(tmp_path, 0, logged.append) == tmp_path / "export"
    ((program, command, args, env),) = calls
    assert (program, command, env["CUDA_VISIBLE_DEVICES"]) == ("swift", "export", "")
    assert args == {
        "adapters": str(checkpoint),
        "merge_lora": True,
        "output_dir": f"{tmp_path}/export.tmp",
        "use_hf": True,
    }
    marker = json.dumps({"checkpoint": str(checkpoint)}) + "\n"
    assert content(tmp_path / "export") == {"model.safetensors": "merged", "export.json": marker}
    assert not (tmp_path / "export.tmp").exists()
    assert logged == [f"exporting {checkpoint}", f"{tmp_path}/export: already exported from this checkpoint"]


def test_a_later_checkpoint_replaces_an_earlier_export(tmp_path: Path, calls: list[Call]) -> None:
    checkpoint = finished(tmp_path, "adapter_config.json", "adapter_model.safetensors")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "export.json").write_text('{"checkpoint": "checkpoint-1"}')
    (tmp_path / "export" / "old").touch()
    run.export(tmp_path, 0, print)
    assert exported(tmp_path, checkpoint) == tmp_path / "export"
    assert not (tmp_path / "export" / "old").exists()


def test_whole_weights_are_linked_without_the_optimizer(tmp_path: Path, calls: list[Call]) -> None:
    checkpoint = finished(
        tmp_path,
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "optimizer.pt",
        "rng_state_0.pth",
        "scheduler.pt",
        "zero_to_fp32.py",
    )
    (checkpoint / "global_step3").mkdir()
    run.export(tmp_path, 0, print)
    assert content(tmp_path / "export").keys() == {"model.safetensors", "config.json", "tokenizer.json", "export.json"}
    assert (tmp_path / "export" / "model.safetensors").samefile(checkpoint / "model.safetensors")
    assert calls == []


@pytest.mark.parametrize(
    ("tuner", "source"), [("full", {"mcore_model": True}), ("lora", {"mcore_adapter": True, "merge_lora": True})]
)
def test_megatron_s_weights_are_converted(
    tmp_path: Path, calls: list[Call], tuner: str, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "visible_gpus", lambda: ["H100"] * 2)
    checkpoint = finished(tmp_path, "latest_checkpointed_iteration.txt")
    (checkpoint / "args.json").write_text(json.dumps({"tuner_type": tuner}))
    run.export(tmp_path, 2, print)
    ((program, command, args, env),) = calls
    assert (program, command, env["NPROC_PER_NODE"]) == ("megatron", "export", "2")
    first = next(iter(source))
    assert args == {
        **source,
        first: str(checkpoint),
        "to_hf": True,
        "output_dir": f"{tmp_path}/export.tmp",
        "use_hf": True,
    }


def test_megatron_s_weights_in_both_formats_are_not_converted(tmp_path: Path, calls: list[Call]) -> None:
    checkpoint = finished(tmp_path, "latest_checkpointed_iteration.txt", "model.safetensors", "config.json")
    (checkpoint / "iter_0000003").mkdir()
    run.export(tmp_path, 0, print)
    assert content(tmp_path / "export").keys() == {"model.safetensors", "config.json", "export.json"}
    assert calls == []


def test_a_failure_leaves_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path, "adapter_config.json", "adapter_model.safetensors")
    monkeypatch.setattr(run, "run_swift", lambda *_, **__: (tmp_path / "export.tmp").mkdir())
    with pytest.raises(UserError, match="the export has no weights"):
        run.export(tmp_path, 0, print)
    monkeypatch.setattr(run, "run_swift", lambda *_, **__: (tmp_path / "none" / "x").write_text(""))
    with pytest.raises(UserError, match="No such file or directory; the export needs space for the whole model"):
        run.export(tmp_path, 0, print)
    assert not (tmp_path / "export").exists()


def test_an_unfinished_run_is_refused_and_not_retried(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run_report\.json: missing, so there is no finished run"):
        run.export(tmp_path, 0, print)
    finished(tmp_path, "adapter_config.json", "adapter_model.safetensors")
    with pytest.raises(UserError, match="GPUs: 0 visible, need 1"):
        run.export(tmp_path, 1, print)
