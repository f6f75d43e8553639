"""Every argument in train.args and evaluate.args is one that the installed ms-swift has."""

# ruff: noqa: E501 - messages are compared whole

from importlib.metadata import version
from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import Setting, arguments_by_place, load_experiment
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm_yaml import ValuesFile, parse_values
from vlm_sft.swift_arguments.check import check_arguments, swift_arguments

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"


def said(text: str, command: str = "sft") -> list[str]:
    parsed = parse_values(text.encode(), "v.yaml")
    assert isinstance(parsed, ValuesFile)
    return [f"{p.line}: {p.text}" for p in check_arguments(parsed.root, ("train", "args"), command)]  # type: ignore[arg-type]


def test_the_table_is_of_the_installed_release() -> None:
    assert swift_arguments()["ms_swift"] == version("ms-swift"), (
        "stale; run python -m vlm_sft.swift_arguments.make_table"
    )


def test_the_table_is_what_the_installed_release_says() -> None:
    from vlm_sft.swift_arguments.make_table import build

    assert build() == swift_arguments(), "stale; run python -m vlm_sft.swift_arguments.make_table"


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_new_token: 8", "evaluate.args.max_new_token: swift infer of ms-swift 4.6.0 has no such argument; did you mean evaluate.args.max_new_tokens?"),
        ("learning_rate: 1.0e-4", "evaluate.args.learning_rate: swift infer of ms-swift 4.6.0 has no such argument"),
        ("temperature: cold", 'evaluate.args.temperature: got "cold" (string), need a number'),
        ("infer_backend: vlm", 'evaluate.args.infer_backend: got "vlm" (string), need one of "vllm", "transformers", "sglang", "lmdeploy", "pt"; did you mean vllm?'),
    ],
)  # fmt: skip
def test_a_wrong_argument_of_the_evaluation_is_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(f"evaluate:\n  args:\n    {text}\n")
    told = load_experiment(
        load_chart(CHART), tmp_path / "v.yaml", [], [Setting("--set", "train.enabled=false")]
    ).problems
    assert [(p.line, p.text) for p in told] == [(3, message)]


def test_the_command_that_checks_them_is_the_one_that_takes_them() -> None:
    def commands(text: str) -> dict[tuple[str | int, ...], str]:
        parsed = parse_values(text.encode(), "v.yaml")
        assert isinstance(parsed, ValuesFile)
        return dict(arguments_by_place(parsed.root))

    assert commands("{}") == {("train", "args"): "sft", ("evaluate", "args"): "infer"}
    assert commands("train: {backend: swift}") == {("train", "args"): "sft", ("evaluate", "args"): "infer"}
    assert commands("train: {backend: megatron}") == {("train", "args"): "megatron", ("evaluate", "args"): "infer"}


def test_megatron_has_arguments_of_its_own() -> None:
    assert said("tensor_model_parallel_size: 2\n", "megatron") == []
    assert said("tensor_model_parallel_size: 2\n") != []
    assert said("tensor_model_paralel_size: 2\n", "megatron")[0].endswith(
        "did you mean train.args.tensor_model_parallel_size?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 1.0e-4", "train.args.learning_rate: megatron sft of ms-swift 4.6.0 has no such argument; did you mean train.args.lr?"),
        ("max_steps: 5", "train.args.max_steps: megatron sft of ms-swift 4.6.0 has no such argument; did you mean train.args.train_iters?"),
        ("num_train_epochs: 0.5", "train.args.num_train_epochs: got 0.5 (number), need an integer"),
        ("gradient_checkpointing: full", 'train.args.gradient_checkpointing: got "full" (string), need true or false'),
    ],
)  # fmt: skip
def test_megatron_has_names_of_its_own(text: str, message: str) -> None:
    assert said(text, "megatron") == [f"1: {message}"]


def test_what_the_chart_translates_or_takes_out_is_no_mistake() -> None:
    assert said("{gradient_checkpointing: true, learning_rate: null, lr: 1.0e-4}", "megatron") == []
    assert said("{lerning_rate: null}", "megatron") != []
