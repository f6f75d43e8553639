"""Warnings about the model: a gated family, a vision tower that stays frozen, rows longer than its positions."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
GATED = "2: model.gated: false, but {} is of a gated family ({}...), whose download needs a token; accept its licence, create the secret hf-token and set it to true"
FROZEN = "6: train.args.tuner_type: full, but ms-swift freezes the vision tower unless freeze_vit is false (and the aligner unless freeze_aligner is); set train.args.freeze_vit to one of both"


@pytest.mark.parametrize(
    ("model", "args", "said"),
    [
        ("{id: meta-llama/Llama-3.2-11B-Vision-Instruct}", "{}", [GATED.format("meta-llama/Llama-3.2-11B-Vision-Instruct", "meta-llama/")]),
        ("{id: google/gemma-3-4b-it}", "{}", [GATED.format("google/gemma-3-4b-it", "google/gemma-3")]),
        ("{id: google/gemma-3-4b-it, gated: true}", "{}", []),
        ("{id: /cache/meta-llama/Llama-3.2-3B-Instruct}", "{}", []),
        ("{id: google/gemma-3-4b-it, download: false}", "{}", []),
        ("{id: Qwen/Qwen2.5-VL-3B-Instruct}", "{tuner_type: full}", [FROZEN]),
        ("{id: Qwen/Qwen2.5-VL-3B-Instruct}", "{tuner_type: full, freeze_vit: true}", []),
        ("{id: Qwen/Qwen2.5-3B-Instruct}", "{tuner_type: full}", []),
        ("{id: Qwen/Qwen2.5-VL-3B-Instruct}", "{tuner_type: lora}", []),
        ("{id: Qwen/Qwen2.5-VL-3B-Instruct}", "{max_length: 400000}",
         ["6: train.args.max_length: got 400000, but the model has 128000 positions; use at most 128000, or set rope_scaling"]),
        ("{id: Qwen/Qwen2.5-VL-3B-Instruct}", "{max_length: 400000, rope_scaling: yarn}", []),
    ],
)  # fmt: skip
def test_a_model_that_will_not_do_what_is_meant_is_a_warning(
    model: str, args: str, said: list[str], tmp_path: Path
) -> None:
    text = f"prepare: {{skipImages: true}}\nmodel: {model}\ntrain:\n  dataset: [a/b]\n  effectiveBatchSize: 16\n  args: {args}\n"
    (tmp_path / "v.yaml").write_text(text)
    problems = load_experiment(load_chart(CHART), tmp_path / "v.yaml", [], []).problems
    found = [problem for problem in problems if "GiB a GPU" not in problem.message]  # memory is tested beside this
    assert [f"{problem.line}: {problem.text}" for problem in found] == said
    assert all(problem.severity == "warning" for problem in found)
