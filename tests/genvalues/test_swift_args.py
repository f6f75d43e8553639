"""Every argument in train.args is one that the installed ms-swift has."""

# ruff: noqa: E501 - messages are compared whole

from importlib.metadata import version

import pytest
from vlm_sft.genvalues.helm_yaml import ValuesFile, parse_values
from vlm_sft.genvalues.swift_args import check_arguments, swift_arguments


def said(text: str, command: str = "sft") -> list[str]:
    parsed = parse_values(text.encode(), "v.yaml")
    assert isinstance(parsed, ValuesFile)
    return [f"{p.line}: {p.text}" for p in check_arguments(parsed.root, ("train", "args"), command)]  # type: ignore[arg-type]


def test_the_table_is_of_the_installed_release() -> None:
    assert swift_arguments()["ms_swift"] == version("ms-swift"), (
        "stale; run python -m vlm_sft.genvalues.swift_args_table"
    )


def test_the_table_is_what_the_installed_release_says() -> None:
    from vlm_sft.genvalues.swift_args_table import build

    assert build() == swift_arguments(), "stale; run python -m vlm_sft.genvalues.swift_args_table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lerning_rate: 1.0e-4", "train.args.lerning_rate: swift sft of ms-swift 4.6.0 has no such argument; did you mean train.args.learning_rate?"),
        ("learning_rate: fast", 'train.args.learning_rate: got "fast" (string), need a number'),
        ("learning_rate: true", "train.args.learning_rate: got true (boolean), need a number"),
        ("num_train_epochs: [1]", "train.args.num_train_epochs: got a list of 1, need a number"),
        ("lora_rank: 8.5", "train.args.lora_rank: got 8.5 (number), need an integer"),
        ("gradient_checkpointing: 1", "train.args.gradient_checkpointing: got 1 (integer), need true or false"),
        ("torch_dtype: bf16", 'train.args.torch_dtype: got "bf16" (string), need one of "bfloat16", "float16", "float32"'),
        ("quant_bits: 5", 'train.args.quant_bits: got 5 (integer), need one of 1, 2, 3, 4, 8, "float8"'),
        ("xyzzy: 1", "train.args.xyzzy: swift sft of ms-swift 4.6.0 has no such argument"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_told(text: str, message: str) -> None:
    assert said(f"{text}\n") == [f"1: {message}"]


@pytest.mark.parametrize(
    "text",
    ["learning_rate: 1e-4", 'learning_rate: "1e-4"', "lora_rank: 8.0", "target_modules: all-linear", "target_modules: [q, k]",
     "deepspeed: zero2", "lr_scheduler_kwargs: {min_lr: 1.0e-6}", 'lr_scheduler_kwargs: \'{"min_lr": 1}\'', "bf16: true",
     "report_to: [tensorboard]", "max_length: null", "quant_bits: 4"],
)  # fmt: skip
def test_what_ms_swift_takes_passes(text: str) -> None:
    assert said(f"{text}\n") == []


def test_megatron_has_arguments_of_its_own() -> None:
    assert said("tensor_model_parallel_size: 2\n", "megatron") == []
    assert said("tensor_model_parallel_size: 2\n") != []
    assert said("tensor_model_paralel_size: 2\n", "megatron")[0].endswith(
        "did you mean train.args.tensor_model_parallel_size?"
    )
