"""The warning of a run that does not fit its GPU."""

from pathlib import Path

import pytest
from vlm_sft.genvalues.advice.memory import requested_gpu
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm import Setting

ROOT = Path(__file__).parents[3]


def warnings(*settings: str) -> list[str]:
    chart = load_chart(ROOT / "charts/vlm-sft")
    chosen = [Setting("--set", text) for text in settings]
    loaded = load_experiment(chart, ROOT / "values/fire-4gpu.yaml", [], chosen)
    assert not [problem for problem in loaded.problems if problem.severity == "error"]
    return [problem.text for problem in loaded.problems if problem.rule == "advice"]


def test_a_run_that_fits_its_gpu_has_no_warning() -> None:
    assert warnings("gpu.resourceName=nvidia.com/a100") == []


def test_a_run_that_does_not_fit_is_reported_with_both_sizes_and_the_way_out() -> None:
    (said,) = warnings("gpu.resourceName=nvidia.com/a100", "train.sharding=ddp")
    assert said.startswith("train: needs about 8")
    assert "GiB a GPU, A100 80 GB has 79; it would fit with train.sharding: zero3" in said


def test_numbers_written_as_text_are_sized_like_numbers() -> None:
    chart = load_chart(ROOT / "charts/vlm-sft")
    texts = ("train.args.max_length=8192", "train.args.lora_rank=32", "train.args.use_liger_kernel=true")
    chosen = [Setting("--set-string", text) for text in texts]
    path = ROOT / "values/fire-4gpu.yaml"
    as_text = load_experiment(chart, path, [], [*chosen, Setting("--set", "train.sharding=ddp")])
    as_numbers = load_experiment(chart, path, [], [Setting("--set", "train.sharding=ddp")])
    told = [[p.text for p in loaded.problems if p.rule == "advice"] for loaded in (as_text, as_numbers)]
    assert told == [[], []] or told[0] == told[1]


def test_a_model_of_unknown_shape_is_left_alone() -> None:
    assert warnings("model.id=lab/other", "train.sharding=ddp") == []


@pytest.mark.parametrize(
    ("resource", "product", "name"),
    [
        ("nvidia.com/a100", "", "A100 80 GB"),
        ("nvidia.com/gpu", "NVIDIA-A100-SXM4-40GB", "A100 40 GB"),
        ("nvidia.com/gpu", "NVIDIA-L40S", "L40S 48 GB"),
        ("nvidia.com/rtxa6000", "", "RTX A6000 48 GB"),
        ("nvidia.com/gpu", "", "B200 180 GB"),
    ],
)
def test_the_gpu_is_the_one_that_the_values_name(resource: str, product: str, name: str) -> None:
    selector = {"nvidia.com/gpu.product": product} if product else {}
    assert requested_gpu({"resourceName": resource, "nodeSelector": selector})[0] == name
