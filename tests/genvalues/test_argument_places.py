"""Wrong arguments of ms-swift are reported at their place in the values file, for the command that gets them."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import Setting, arguments_by_place, load_experiment
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm_yaml import ValuesFile, parse_values

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_new_token: 8", "evaluate.args.max_new_token: swift infer of ms-swift 4.6.0 has no such argument; did you mean evaluate.args.max_new_tokens?"),
        ("learning_rate: 1.0e-4", "evaluate.args.learning_rate: swift infer of ms-swift 4.6.0 has no such argument"),
        ("temperature: cold", 'evaluate.args.temperature: got "cold" (string), need a number'),
        ("infer_backend: vlm", 'evaluate.args.infer_backend: got "vlm" (string), need one of "vllm", "transformers", "sglang", "lmdeploy", "pt"; did you mean vllm?'),
    ],
)  # fmt: skip
def test_a_wrong_argument_of_the_evaluation_is_reported(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(f"evaluate:\n  args:\n    {text}\n")
    problems = load_experiment(
        load_chart(CHART), tmp_path / "v.yaml", [], [Setting("--set", "train.enabled=false")]
    ).problems
    assert [(p.line, p.text) for p in problems] == [(3, message)]


def test_the_command_that_checks_them_is_the_one_that_takes_them() -> None:
    def commands(text: str) -> dict[tuple[str | int, ...], str]:
        parsed = parse_values(text.encode(), "v.yaml")
        assert isinstance(parsed, ValuesFile)
        return dict(arguments_by_place(parsed.root))

    assert commands("{}") == {("train", "args"): "sft", ("evaluate", "args"): "infer"}
    assert commands("train: {backend: swift}") == {("train", "args"): "sft", ("evaluate", "args"): "infer"}
    assert commands("train: {backend: megatron}") == {("train", "args"): "megatron", ("evaluate", "args"): "infer"}
