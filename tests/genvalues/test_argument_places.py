"""Wrong arguments of ms-swift are reported at their place in the values file, for the command that gets them."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import arguments_by_place, load_experiment
from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.helm import Setting


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_new_token: 8", "evaluate.args.max_new_token: swift infer of ms-swift 4.6.0 has no such argument; did you mean evaluate.args.max_new_tokens?"),
        ("learning_rate: 1.0e-4", "evaluate.args.learning_rate: swift infer of ms-swift 4.6.0 has no such argument"),
        ("temperature: cold", 'evaluate.args.temperature: got "cold" (string), need a number'),
        ("attn_impl: flash", 'evaluate.args.attn_impl: got "flash" (string), need one of "eager", "flash_attention_2", "flash_attention_3", "flash_attention_4", "flash_attn", "flex_attention", "sdpa"; did you mean flash_attn?'),
    ],
)  # fmt: skip
def test_a_wrong_argument_of_the_evaluation_is_reported_at_its_line(
    text: str, message: str, chart: Chart, tmp_path: Path
) -> None:
    (tmp_path / "v.yaml").write_text(f"evaluate:\n  args:\n    {text}\n")
    problems = load_experiment(chart, tmp_path / "v.yaml", [], [Setting("--set", "train.enabled=false")]).problems
    assert [(p.line, p.text) for p in problems] == [(3, message)]


@pytest.mark.parametrize(
    ("backend", "command"), [({}, "sft"), ({"backend": "swift"}, "sft"), ({"backend": "megatron"}, "megatron")]
)
def test_arguments_are_checked_against_the_command_that_gets_them(backend: dict[str, str], command: str) -> None:
    assert arguments_by_place({"train": backend}) == {("train", "args"): command, ("evaluate", "args"): "infer"}


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("train", "max_length: 2048", "train.max_length: no such key, but an argument of swift sft; move it to train.args.max_length"),
        ("evaluate", "max_new_tokens: 8", "evaluate.max_new_tokens: no such key, but an argument of swift infer; move it to evaluate.args.max_new_tokens"),
        ("prepare", "lora_rank: 8", "prepare.lora_rank: no such key; `genvalues schema` lists them"),
    ],
)  # fmt: skip
def test_an_argument_one_level_too_high_is_reported_with_its_place(
    place: str, text: str, message: str, chart: Chart, tmp_path: Path
) -> None:
    (tmp_path / "v.yaml").write_text(f"{place}:\n  {text}\n")
    problems = load_experiment(chart, tmp_path / "v.yaml", [], [Setting("--set", "train.enabled=false")]).problems
    assert [(p.line, p.text) for p in problems] == [(2, message)]
