"""Preflight: one line for each problem that would make the run fail later."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from vlm_sft.runs.swift_config import SwiftConfig
from vlm_sft.train.preflight import Needs, Problem, problems

NOTHING = Needs(gpus=0, data_marker=None, min_free_gib=0, gated=False)


@pytest.fixture
def config(tmp_path: Path) -> SwiftConfig:
    """A config whose model and data exist."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"x")
    (model / "tokenizer.json").write_text("{}")
    (tmp_path / "train.jsonl").write_text("{}\n")
    args = {"model": str(model), "dataset": [str(tmp_path / "train.jsonl")], "output_dir": str(tmp_path / "out")}
    return SwiftConfig(tmp_path / "train.yaml", args, {"NPROC_PER_NODE": "1"})


def change(config: SwiftConfig, **args: object) -> SwiftConfig:
    return SwiftConfig(config.path, {**config.args, **args}, config.env)


def messages(found: list[Problem]) -> list[str]:
    return [problem.message for problem in found]


def test_a_correct_config_passes(config: SwiftConfig) -> None:
    assert problems(config, NOTHING) == []


def test_an_argument_that_ms_swift_does_not_have_is_reported_before_the_start(config: SwiftConfig) -> None:
    (problem,) = problems(change(config, learning_rates=1), NOTHING)
    assert problem == Problem(
        "learning_rates: swift sft of ms-swift 4.6.0 has no such argument; did you mean learning_rate?", permanent=True
    )


def test_values_that_ms_swift_would_refuse_on_the_gpus_are_reported_before_the_start(config: SwiftConfig) -> None:
    wrong = change(
        config, tuner_type="loar", lr_scheduler_type="cosine", learning_rate="1e-05", split_dataset_ratio=1.5
    )
    assert problems(wrong, NOTHING) == [
        Problem(
            'tuner_type: got "loar" (string), need one of "adalora", "adapter", "boft", "bone", "dummy", "fourierft", '
            '"full", "ia3", "llamapro", "longlora", "lora", "lora_llm", ...; did you mean lora?',
            permanent=True,
        ),
        Problem(
            "split_dataset_ratio: got 1.5 (number), need a number >= 0 and < 1; it is a share of the rows",
            permanent=True,
        ),
    ]


def test_a_length_above_the_positions_of_the_model_is_refused(
    config: SwiftConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps({"text_config": {"max_position_embeddings": 128000}})
    (tmp_path / "model" / "config.json").write_text(text)
    expected = Problem(
        "max_length: got 400000, but the model has 128000 positions; use at most 128000, or set rope_scaling",
        permanent=True,
    )
    assert problems(change(config, max_length=400000), NOTHING) == [expected]
    assert problems(change(config, max_length=128000), NOTHING) == []
    assert problems(change(config, max_length=400000, rope_scaling="yarn"), NOTHING) == []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repo = tmp_path / "hub" / "models--org--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc")
    (repo / "snapshots" / "abc").mkdir(parents=True)
    (repo / "snapshots" / "abc" / "config.json").write_text(text)
    assert problems(change(config, model="org/name", max_length=400000), NOTHING) == [expected]
    assert problems(change(config, model="org/other", max_length=400000), NOTHING) == []


def test_hub_ids_are_left_to_ms_swift(config: SwiftConfig) -> None:
    assert problems(change(config, model="Qwen/Qwen3-8B", dataset=["vicgalle/alpaca-gpt4#500"]), NOTHING) == []


def test_all_problems_are_reported_at_once(config: SwiftConfig, tmp_path: Path) -> None:
    found = problems(change(config, model="/not/there", dataset=[str(tmp_path / "gone.jsonl#5")]), NOTHING)
    assert messages(found) == [
        f"dataset: {tmp_path}/gone.jsonl does not exist; prepare the data, or correct the path",
        "model: /not/there has no config.json; give a folder in Hugging Face format",
    ]
    assert all(problem.permanent for problem in found)


def test_a_folder_with_a_mark_in_its_name_and_a_folder_as_dataset_are_found(
    config: SwiftConfig, tmp_path: Path
) -> None:
    (tmp_path / "run#3").mkdir()
    rows = tmp_path / "run#3" / "t.jsonl"
    rows.write_text("{}\n")
    assert problems(change(config, dataset=[f"{rows}#5", str(rows), str(tmp_path / "run#3")]), NOTHING) == []
    (message,) = messages(problems(change(config, dataset=[str(tmp_path / "run#4" / "t.jsonl")]), NOTHING))
    assert message == f"dataset: {tmp_path}/run#4/t.jsonl does not exist; prepare the data, or correct the path"


def test_an_empty_data_file_and_a_model_without_weights_are_named(config: SwiftConfig, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("")
    (tmp_path / "model" / "model.safetensors").unlink()
    assert messages(problems(config, NOTHING)) == [
        f"dataset: {tmp_path}/train.jsonl is empty; look at the stats.json of its preparation",
        f"model: {tmp_path}/model has no weights (*.safetensors); copy the whole model",
    ]


def test_missing_gpus_are_retried_but_a_wrong_process_count_is_not(config: SwiftConfig) -> None:
    found = problems(config, Needs(gpus=4, data_marker=None, min_free_gib=0, gated=False))
    assert found == [
        Problem("GPUs: none visible, need 4; look at `kubectl describe pod` and gpu.resourceName", permanent=False),
        Problem("ENV.NPROC_PER_NODE: got 1, need 4 (one process per GPU)", permanent=True),
    ]


def test_training_does_not_start_before_the_preparation_has_finished(config: SwiftConfig, tmp_path: Path) -> None:
    marker = tmp_path / "stats.json"
    needs = Needs(gpus=0, data_marker=marker, min_free_gib=0, gated=False)
    way_out = "look at the preparation's log, or run `vlm-sft prepare` again"
    assert problems(config, needs) == [
        Problem(f"{marker}: missing, so the preparation has not finished; {way_out}", permanent=True)
    ]
    marker.write_text("[]")
    assert messages(problems(config, needs)) == [f"{marker}: not a statistics file of `vlm-sft prepare`; {way_out}"]
    marker.write_text(json.dumps({"files": {"train.jsonl": {"bytes": 99, "lines": 1}}}))
    assert messages(problems(config, needs)) == [
        f"{tmp_path}/train.jsonl: 3 bytes, need 99 as in stats.json; {way_out}"
    ]
    marker.write_text(json.dumps({"files": {"train.jsonl": {"bytes": 3, "lines": 1}}}))
    assert problems(config, needs) == []


def test_a_gated_model_needs_a_token_unless_offline(config: SwiftConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = Needs(gpus=0, data_marker=None, min_free_gib=0, gated=True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    (message,) = messages(problems(config, needs))
    assert message.startswith("HF_TOKEN: not set, and ")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert problems(config, needs) == []


def test_a_full_disk_is_reported_with_both_sizes(config: SwiftConfig) -> None:
    (problem,) = problems(config, Needs(gpus=0, data_marker=None, min_free_gib=1e9, gated=False))
    assert "GiB free under" in problem.message
    assert "need 1e+09" in problem.message
    assert not problem.permanent


def test_a_tracker_without_package_or_key_is_refused(
    config: SwiftConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (message,) = messages(problems(change(config, report_to=["tensorboard", "wandb"]), NOTHING))
    assert message == (
        "report_to: wandb is not in this image; build it with `docker build -f docker/Dockerfile --build-arg "
        "EXTRAS=wandb`, or remove wandb from train.args.report_to"
    )
    (tmp_path / "wandb.py").touch()  # as if it were installed
    monkeypatch.syspath_prepend(str(tmp_path))
    (message,) = messages(problems(change(config, report_to="wandb"), NOTHING))
    assert message == (
        "report_to: wandb needs WANDB_API_KEY, which is not set; add it to the secret that train.trackers.secretName "
        "names, or remove wandb from train.args.report_to"
    )
    monkeypatch.setenv("WANDB_API_KEY", "key")
    assert problems(change(config, report_to="wandb"), NOTHING) == []


def test_a_tracker_that_logs_without_a_server_needs_no_key(
    config: SwiftConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "swanlab.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert problems(change(config, report_to=["swanlab"], swanlab_mode="local"), NOTHING) == []
    (problem,) = problems(change(config, report_to=["swanlab"], swanlab_mode="cloud"), NOTHING)
    assert problem.permanent


def test_an_environment_that_would_override_the_config_is_refused(
    config: SwiftConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPROC_PER_NODE", "8")
    (problem,) = problems(config, NOTHING)
    assert problem.message == (
        "ENV.NPROC_PER_NODE: the environment has '8', the config '1'; ms-swift would use the environment's: "
        "remove one of the two"
    )


def test_a_rendezvous_port_in_use_is_reported_on_the_first_of_several_nodes(config: SwiftConfig) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {"NPROC_PER_NODE": "1", "NNODES": "2", "NODE_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": str(port)}
        (message,) = messages(problems(SwiftConfig(config.path, config.args, env), NOTHING))
    assert message == f"MASTER_PORT: {port} is not free (Address already in use); choose another port"


@pytest.mark.parametrize("module", ["vlm_sft.train.cli", "vlm_sft.train.preflight", "vlm_sft.swift_arguments.check"])
def test_a_pod_does_not_load_genvalues(module: str) -> None:
    script = f"import sys, {module}; print([name for name in sys.modules if name.startswith('vlm_sft.genvalues')])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
