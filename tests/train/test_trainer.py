"""The command that starts the trainer: the config's arguments as ms-swift reads them, and the supervisor's own."""

from pathlib import Path

import pytest
from vlm_sft.launch.command import argv
from vlm_sft.runs.swift_config import read_swift_config
from vlm_sft.train.nodes.node_group import Attempt
from vlm_sft.train.nodes.place import Place
from vlm_sft.train.trainer import launch

CONFIG = """\
model: "/models/with space"
dataset: [a.jsonl, "b.jsonl#5"]
learning_rate: 0.0001
weight_decay: 1.0e-02
bf16: true
target_modules: all-linear
lr_scheduler_kwargs: {"min_lr": 1.0e-06, "note": "größer"}
system: "quotes \\" and $(things) {{ }}"
output_dir: OUT
ENV:
  NPROC_PER_NODE: 2
  IMAGE_MAX_TOKEN_NUM: 2048
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_arguments_are_those_that_ms_swift_reads_from_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import swift.cli.main as swift_main

    path = write(tmp_path, CONFIG)
    for name in ("NPROC_PER_NODE", "IMAGE_MAX_TOKEN_NUM", "SWIFT_CONFIG_FILE"):
        monkeypatch.setenv(name, "set, so that monkeypatch restores it")
        monkeypatch.delenv(name)
    theirs = [str(path)]
    swift_main.parse_yaml_args(theirs)
    assert argv(read_swift_config(path).args) == theirs


def test_the_plug_in_and_the_checkpoint_are_added_and_the_users_callbacks_kept(tmp_path: Path) -> None:
    path = write(tmp_path, CONFIG + "callbacks: early_stop\nexternal_plugins: [mine.py]\n")
    attempt = Attempt("abc", tmp_path / "checkpoint-7")
    started = launch(read_swift_config(path), Place(1, 0, "127.0.0.1", 0), attempt, tmp_path)
    command = started.command
    at = command.index("--callbacks")
    assert command[at + 1 : at + 4] == ["early_stop", "run_recorder", "stop_on_request"]
    at = command.index("--external_plugins")
    assert command[at + 1] == "mine.py"
    assert Path(command[at + 2]).name == "run_recorder.py"
    assert command[command.index("--resume_from_checkpoint") + 1] == str(tmp_path / "checkpoint-7")
    assert command[1:5] == ["-m", "torch.distributed.run", "--nproc_per_node", "2"]
    assert started.env["IMAGE_MAX_TOKEN_NUM"] == "2048"
    assert started.env["MASTER_PORT"].isdigit()
    assert started.env["VLM_SFT_ATTEMPT_DIR"] == str(tmp_path)
    assert "--rdzv_id" not in command


def test_several_nodes_use_the_id_of_their_attempt(tmp_path: Path) -> None:
    started = launch(
        read_swift_config(write(tmp_path, CONFIG)), Place(4, 3, "a-0.a", 2), Attempt("abc", None), tmp_path
    )
    assert started.command[3:17] == [
        "--nproc_per_node", "2", "--nnodes", "4", "--node_rank", "3", "--master_addr", "a-0.a", "--master_port", "2",
        "--rdzv_id", "abc", "--rdzv_conf", "timeout=300",
    ]  # fmt: skip
