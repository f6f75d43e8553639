"""The warning of rows that an image at its limit and the history make longer than max_length."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm import Setting

ROOT = Path(__file__).parents[3]


def warnings(*settings: str) -> list[str]:
    chosen = [Setting("--set", text) for text in settings]
    loaded = load_experiment(load_chart(ROOT / "charts/vlm-sft"), ROOT / "values/fire-4gpu.yaml", [], chosen)
    assert not [problem for problem in loaded.problems if problem.severity == "error"]
    return [problem.text for problem in loaded.problems]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["max_length=3068"], []),
        (["max_length=3067"],
         "3067 tokens, but a row can have 3068: an image of 2048 (IMAGE_MAX_TOKEN_NUM) and 6 answers with their feedback of about 170 each; ms-swift leaves longer rows out; use 3068, or train.env.IMAGE_MAX_TOKEN_NUM: 2047"),
        (["max_length=2048", "truncation_strategy=right"],
         "2048 tokens, but a row can have 3068: an image of 2048 (IMAGE_MAX_TOKEN_NUM) and 6 answers with their feedback of about 170 each; longer rows are cut; use 3068, or train.env.IMAGE_MAX_TOKEN_NUM: 1028"),
        (["max_length=1000"],
         "1000 tokens, but a row can have 3068: an image of 2048 (IMAGE_MAX_TOKEN_NUM) and 6 answers with their feedback of about 170 each; ms-swift leaves longer rows out; use 3068"),
    ],
)  # fmt: skip
def test_a_row_that_is_too_long_is_reported_with_its_parts(settings: list[str], said: str | list[str]) -> None:
    expected = [f"train.args.max_length: {said}"] if said else []
    assert warnings(*(f"train.args.{setting}" for setting in settings)) == expected


def test_fewer_rounds_of_history_leave_more_room() -> None:
    assert warnings("train.args.max_length=2048", "prepare.maxHistoryRounds=1", "prepare.layout=steps") == [
        "train.args.max_length: 2048 tokens, but a row can have 2388: an image of 2048 (IMAGE_MAX_TOKEN_NUM) and 2 answers with their feedback of about 170 each (prepare.maxHistoryRounds: 1); ms-swift leaves longer rows out; use 2388, or train.env.IMAGE_MAX_TOKEN_NUM: 1708"
    ]


def test_a_limit_in_pixels_is_answered_in_pixels() -> None:
    env = ["train.env.IMAGE_MAX_TOKEN_NUM=null", "train.env.MAX_PIXELS=8388608"]  # 8192 tokens of 32 x 32
    assert warnings(*env) == [
        "train.args.max_length: 8192 tokens, but a row can have 9212: an image of 8192 (MAX_PIXELS) and 6 answers with their feedback of about 170 each; ms-swift leaves longer rows out; use 9212, or train.env.MAX_PIXELS: 7344128"
    ]


def test_no_limit_at_all_is_the_processors_own() -> None:
    assert warnings("train.env.IMAGE_MAX_TOKEN_NUM=null")[0].startswith(
        "train.args.max_length: 8192 tokens, but a row can have 17404: an image of 16384 (IMAGE_MAX_TOKEN_NUM is not set) and"
    )


@pytest.mark.parametrize("dataset", ["geo3k", "robo2vlm", "volcano"])
def test_the_text_of_other_prepared_rows_is_not_known(dataset: str) -> None:
    other = [f"prepare.dataset={dataset}", "prepare.input=", "train.args.eval_steps=null", "train.args.max_length=1024"]
    assert warnings(*other) == [
        f"train.args.max_length: 1024 tokens, but a row can have 2048: an image of 2048 (IMAGE_MAX_TOKEN_NUM) and a text whose length is not known for {dataset}; ms-swift leaves longer rows out; use more than 2048, or train.env.IMAGE_MAX_TOKEN_NUM below 1024"
    ]
    assert warnings(*other, "train.env.IMAGE_MAX_TOKEN_NUM=null")[0].startswith(
        "train.args.max_length: 1024 tokens, but a row can have 16384: an image of 16384 (IMAGE_MAX_TOKEN_NUM is not set) and"
    )
    assert warnings(*other[:-1]) == []


def test_text_rows_have_no_image() -> None:
    other = ["prepare.dataset=alpaca", "prepare.input=", "train.args.eval_steps=null", "train.args.max_length=1024"]
    assert warnings(*other, "train.env.IMAGE_MAX_TOKEN_NUM=null") == []


def test_another_dataset_is_warned_about_its_image_alone() -> None:
    other = ["train.dataset={a.jsonl}", "train.valDataset={b.jsonl}", "train.args.max_length=1024"]
    assert warnings(*other) == [
        "train.args.max_length: 1024 tokens, but a row can have 2048: an image of 2048 (IMAGE_MAX_TOKEN_NUM); ms-swift leaves longer rows out; use 2048, or train.env.IMAGE_MAX_TOKEN_NUM: 1024"
    ]
    assert warnings(*other, "train.env.IMAGE_MAX_TOKEN_NUM=null") == []  # its rows may have no images
    assert warnings(*other, "model.id=Qwen/Qwen3-8B", "train.env.IMAGE_MAX_TOKEN_NUM=null") == []
    assert warnings(*other, "model.id=someone/else") == warnings(*other)
