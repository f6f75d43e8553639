"""Every argument must be known to the installed ms-swift, with a value that its command line takes."""

# ruff: noqa: E501 - messages are compared whole

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
import yaml
from vlm_sft.swift_arguments.check import PROGRAMS, Command, check_arguments, swift_arguments
from vlm_sft.swift_arguments.ranges import RANGES


def reported(text: str, command: Command = "sft", place: str = "") -> list[str]:
    return [f"{name}: {message}" for name, message in check_arguments(yaml.safe_load(text), command, place)]


def test_the_table_names_the_installed_release() -> None:
    assert swift_arguments()["ms_swift"] == version("ms-swift"), (
        "stale; run python -m vlm_sft.swift_arguments.make_table"
    )


def test_the_table_matches_the_installed_release() -> None:
    # In a process of its own: plug-ins that other tests import register more choices.
    script = "import json; from vlm_sft.swift_arguments.make_table import build; print(json.dumps(build()))"
    built = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    table = json.loads(built.splitlines()[-1])
    assert table == swift_arguments(), "stale; run python -m vlm_sft.swift_arguments.make_table"


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
        ("train_type: lora", "train_type: swift sft of ms-swift 4.6.0 has no such argument; did you mean tuner_type?"),
        ("report_to: [tensorboard, wandbb]", 'report_to: got "wandbb" (string), need one of "all", "none", "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "kubeflow", "mlflow", "neptune", ...; did you mean wandb?'),
        ("report_to: tensorboard wandb", 'report_to: got "tensorboard wandb" (string), one name; write a list: [tensorboard, wandb]'),
        ("target_modules: q_proj,v_proj", 'target_modules: got "q_proj,v_proj" (string), one name; write a list: [q_proj, v_proj]'),
        ("target_modules: [q_proj, all_linear]", 'target_modules: got "all_linear" (string), need names of modules, or all-linear, all-embedding; did you mean all-linear?'),
        ("target_modules: [“q_proj”]", 'target_modules: got "“q_proj”" (string), need names of modules, or all-linear, all-embedding; curly quotes are part of the value: remove them'),
        ("learning_rate: “1e-4”", 'learning_rate: got "“1e-4”" (string), need a number; curly quotes are part of the value: remove them'),
        ("learning_rate: .nan", "learning_rate: got NaN (number), need a number > 0"),
        ("learning_rate: '-1e-4'", 'learning_rate: got "-1e-4" (string), need a number > 0'),
        ("split_dataset_ratio: -1", "split_dataset_ratio: got -1 (integer), need a number >= 0 and < 1; it is a share of the rows"),
        ("save_steps: 10.5", "save_steps: got 10.5 (number), need a number >= 0, whole from 1 on"),
        ("eval_strategy: false", 'eval_strategy: got false (boolean), need one of "no", "steps", "epoch"; YAML reads no as false: write "no"'),
        ("loss_scale: last_round+reakt", 'loss_scale: got "reakt" (string), need one of "all", "default", "last_round", "agentflan", "alpha_umi", "base", "hermes", "ignore_empty_think", "ignore_think_prefix", "qwen", "react"; did you mean react?'),
        ("template: qwen3-vl", 'template: got "qwen3-vl" (string), need one of "atom", "aya", "baichuan", "baichuan_m1", "bert", "bge_reranker", "bluelm", "c4ai", "chatglm2", "chatglm4", "chatglm4v", "chatml", ...; did you mean qwen3_vl?'),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_reported(text: str, message: str) -> None:
    assert reported(text) == [message]


@pytest.mark.parametrize(
    "text",
    ["learning_rate: 1e-4", 'learning_rate: "1e-4"', "lora_rank: 8.0", "target_modules: all-linear", "target_modules: [q, k]",
     "deepspeed: zero2", "lr_scheduler_kwargs: {min_lr: 1.0e-6}", 'lr_scheduler_kwargs: \'{"min_lr": 1}\'', "bf16: true",
     "report_to: [tensorboard]", "max_length: null", "quant_bits: 4", "report_to: none", "tuner_type: lora_llm", "max_steps: -1",
     "target_modules: [model.layers.0.linear, all-embedding]", "attn_impl: flash_attn", "attn_impl: kernels-community/flash-attn3",
     "loss_scale: last_round+react", "eval_steps: 0.25", "save_steps: 10.0", "split_dataset_ratio: 0", "warmup_ratio: '0.05'",
     "lr_scheduler_type: cosine_with_min_lr", "trackio_static_space_id: org/space", "system: “Be brief.”"],
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


def test_a_plugin_may_register_more_but_not_for_transformers() -> None:
    assert reported("{tuner_type: mine, optimizer: mine, external_plugins: [/outputs/mine.py]}") == []
    assert reported("{lr_scheduler_type: mine, external_plugins: [/outputs/mine.py]}") != []


def test_every_range_is_of_an_argument_that_is_a_number() -> None:
    table = swift_arguments()
    for name in RANGES:
        types = {kind for command in PROGRAMS for kind in table[command].get(name, {"types": []})["types"]}
        assert types & {"int", "float"}, name


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
        ("cutoff_len: 8", "cutoff_len: megatron sft of ms-swift 4.6.0 has no such argument; did you mean max_length?"),
        ("lr: 0", "lr: got 0 (integer), need a number > 0"),
        ("tuner_type: loar", 'tuner_type: got "loar" (string), need one of "lora", "full", "lora_llm"; did you mean lora?'),
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
