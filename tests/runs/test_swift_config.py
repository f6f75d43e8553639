"""Reading ms-swift's config, and handing it over exactly as ms-swift itself would read it."""

from pathlib import Path

import pytest
from vlm_sft.errors import ConfigError
from vlm_sft.runs.swift_config import read_swift_config
from vlm_sft.train.launch import argv, launch
from vlm_sft.train.nodes.node_group import Attempt
from vlm_sft.train.nodes.place import Place

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


def test_arguments_are_those_that_ms_swift_makes_of_the_same_file(
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


def test_the_launch_adds_the_plug_in_and_the_checkpoint_and_keeps_the_users_callbacks(tmp_path: Path) -> None:
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


def test_several_nodes_meet_under_the_name_of_their_attempt(tmp_path: Path) -> None:
    started = launch(
        read_swift_config(write(tmp_path, CONFIG)), Place(4, 3, "a-0.a", 2), Attempt("abc", None), tmp_path
    )
    assert started.command[3:17] == [
        "--nproc_per_node", "2", "--nnodes", "4", "--node_rank", "3", "--master_addr", "a-0.a", "--master_port", "2",
        "--rdzv_id", "abc", "--rdzv_conf", "timeout=300",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "got list, need a mapping of ms-swift arguments"),
        ("", "got NoneType, need a mapping of ms-swift arguments"),
        ("ENV: [1]\n", "ENV: got list, need a mapping of variable names to values"),
        ("a: [\n", "not YAML"),
    ],
)
def test_a_file_that_is_no_config_is_a_config_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_swift_config(write(tmp_path, text))


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.yaml: No such file or directory"):
        read_swift_config(tmp_path / "train.yaml")


def test_a_config_without_run_directory_is_refused(tmp_path: Path) -> None:
    config = read_swift_config(write(tmp_path, "model: m\n"))
    with pytest.raises(ConfigError, match="output_dir: not set"):
        _ = config.output_dir
