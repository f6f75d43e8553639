"""Every argument must be known to the installed ms-swift, with a value that its command line takes."""

# ruff: noqa: E501 - messages are compared whole

from importlib.metadata import version

import pytest
import yaml
from vlm_sft.swift_arguments.check import Command, check_arguments, swift_arguments


def reported(text: str, command: Command = "sft", place: str = "") -> list[str]:
    return [f"{name}: {message}" for name, message in check_arguments(yaml.safe_load(text), command, place)]


def test_the_table_names_the_installed_release() -> None:
    assert swift_arguments()["ms_swift"] == version("ms-swift"), (
        "stale; run python -m vlm_sft.swift_arguments.make_table"
    )


def test_the_table_matches_the_installed_release() -> None:
    from vlm_sft.swift_arguments.make_table import build

    assert build() == swift_arguments(), "stale; run python -m vlm_sft.swift_arguments.make_table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lerning_rate: 1.0e-4", "lerning_rate: swift sft of ms-swift 4.6.0 has no such argument; did you mean learning_rate?"),
        ("learning_rate: fast", 'learning_rate: got "fast" (string), need a number'),
        ("learning_rate: true", "learning_rate: got true (boolean), need a number"),
        ("num_train_epochs: [1]", "num_train_epochs: got a list of 1, need a number"),
        ("lora_rank: 8.5", "lora_rank: got 8.5 (number), need an integer"),
        ("gradient_checkpointing: 1", "gradient_checkpointing: got 1 (integer), need true or false"),
        ("torch_dtype: bf16", 'torch_dtype: got "bf16" (string), need one of "bfloat16", "float16", "float32"'),
        ("quant_bits: 5", 'quant_bits: got 5 (integer), need one of 1, 2, 3, 4, 8, "float8"'),
        ("xyzzy: 1", "xyzzy: swift sft of ms-swift 4.6.0 has no such argument"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_reported(text: str, message: str) -> None:
    assert reported(text) == [message]


@pytest.mark.parametrize(
    "text",
    ["learning_rate: 1e-4", 'learning_rate: "1e-4"', "lora_rank: 8.0", "target_modules: all-linear", "target_modules: [q, k]",
     "deepspeed: zero2", "lr_scheduler_kwargs: {min_lr: 1.0e-6}", 'lr_scheduler_kwargs: \'{"min_lr": 1}\'', "bf16: true",
     "report_to: [tensorboard]", "max_length: null", "quant_bits: 4"],
)  # fmt: skip
def test_values_that_ms_swift_accepts_pass(text: str) -> None:
    assert reported(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_new_token: 8", "max_new_token: swift infer of ms-swift 4.6.0 has no such argument; did you mean max_new_tokens?"),
        ("learning_rate: 1.0e-4", "learning_rate: swift infer of ms-swift 4.6.0 has no such argument"),
        ("temperature: cold", 'temperature: got "cold" (string), need a number'),
        ("infer_backend: vlm", 'infer_backend: got "vlm" (string), need one of "vllm", "transformers", "sglang", "lmdeploy", "pt"; did you mean vllm?'),
    ],
)  # fmt: skip
def test_a_wrong_argument_of_the_evaluation_is_reported(text: str, message: str) -> None:
    assert reported(text, "infer") == [message]


def test_megatron_has_its_own_arguments() -> None:
    assert reported("tensor_model_parallel_size: 2\n", "megatron") == []
    assert reported("tensor_model_parallel_size: 2\n") != []
    assert reported("tensor_model_paralel_size: 2\n", "megatron")[0].endswith(
        "did you mean tensor_model_parallel_size?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 1.0e-4", "learning_rate: megatron sft of ms-swift 4.6.0 has no such argument; did you mean lr?"),
        ("max_steps: 5", "max_steps: megatron sft of ms-swift 4.6.0 has no such argument; did you mean train_iters?"),
        ("num_train_epochs: 0.5", "num_train_epochs: got 0.5 (number), need an integer"),
        ("gradient_checkpointing: full", 'gradient_checkpointing: got "full" (string), need true or false'),
    ],
)  # fmt: skip
def test_megatron_has_its_own_names(text: str, message: str) -> None:
    assert reported(text, "megatron") == [message]


def test_what_the_chart_translates_or_removes_is_accepted() -> None:
    assert reported("{gradient_checkpointing: true, learning_rate: null, lr: 1.0e-4}", "megatron") == []
    assert reported("{lerning_rate: null}", "megatron") != []


def test_a_suggestion_names_its_place() -> None:
    assert reported("lerning_rate: 1", place="train.args")[0].endswith("did you mean train.args.learning_rate?")


@pytest.mark.parametrize(
    ("text", "fits"), [("8", True), ("+8", True), ("08", True), ("1_000", True), ("0x1f", False), ("8.0", False)]
)
def test_an_integer_in_quotes_is_read_as_argparse_reads_it(text: str, *, fits: bool) -> None:
    assert (list(check_arguments({"lora_rank": text}, "sft")) == []) is fits
