"""Names end in a hash of the content: same values, same names; a change renames only the objects that it changes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


def names(manifests: list[Manifest]) -> dict[str, str]:
    """Return the names of Jobs and Jupyter pod by component, and the run directory."""
    found = {
        m["metadata"]["labels"]["app.kubernetes.io/component"]: m["metadata"]["name"]
        for m in manifests
        if m["kind"] in ("Job", "Pod")
    }
    train = next(m for m in manifests if m["metadata"]["name"] == found["train"])
    return {**found, "run": train["metadata"]["annotations"]["vlm-sft/run-dir"]}


# (changed values, components whose names change). The preparation contains the name of the training Job, which it
# releases; training contains the names of evaluation and export.
CHANGES = [
    ({"train": {"args": {"learning_rate": 2.0e-4}}}, {"run", "train", "prepare", "evaluate", "export"}),
    ({"train": {"args": {"logging_steps": 1}}}, {"train", "prepare"}),
    ({"train": {"env": {"IMAGE_MAX_TOKEN_NUM": 1024}}}, {"run", "train", "prepare", "evaluate", "export"}),
    ({"train": {"resources": {"limits": {"memory": "96Gi"}}}}, {"train", "prepare"}),
    ({"train": {"terminationGracePeriodSeconds": 900}}, {"train", "prepare"}),
    ({"gpu": {"nodeSelector": {"gpu": "h100"}}}, {"train", "prepare", "evaluate", "export", "jupyter"}),
    ({"image": {"tag": "0.2.0"}}, {"train", "prepare", "evaluate", "export", "jupyter"}),
    ({"evaluate": {"args": {"max_new_tokens": 8}}}, {"evaluate", "train", "prepare"}),
    ({"evaluate": {"task": "fire"}}, {"evaluate", "train", "prepare"}),
    ({"export": {"resources": {"limits": {"memory": "96Gi"}}}}, {"export", "train", "prepare"}),
    ({"serve": {"model": "org/model"}, "sync": {"schedule": "@daily"}}, set()),
    ({"prepare": {"resources": {"limits": {"memory": "9Gi"}}}}, {"prepare"}),
    ({"jupyter": {"gpus": 2}}, {"jupyter"}),
    ({"storage": {"cache": {"size": "1Ti", "keep": False}}}, set()),
]


@pytest.mark.parametrize(("change", "renamed"), CHANGES, ids=[str(change) for change, _ in CHANGES])
def test_a_change_renames_only_the_changed_objects(
    render: Render, everything: Path, change: Any, renamed: set[str]
) -> None:
    before, after = names(render(everything)), names(render(everything, change))
    assert {name for name in before if before[name] != after[name]} == renamed


@pytest.mark.parametrize(
    ("change", "renamed"),
    [
        ({"prepare": {"shards": 4}}, {"convert", "prepare"}),
        ({"prepare": {"commands": [["true"]]}}, {"prepare"}),
        ({"train": {"resources": {"limits": {"memory": "96Gi"}}}}, {"train", "convert", "prepare"}),
    ],
    ids=["shards", "commands", "train"],
)
def test_a_change_of_a_chain_renames_the_changed_jobs_and_those_before(
    render: Render, change: Any, renamed: set[str]
) -> None:
    shards = CHART.parents[1] / "tests" / "data" / "chart" / "shards.yaml"
    before, after = names(render(shards)), names(render(shards, change))
    assert {name for name in before if before[name] != after[name]} == renamed


@pytest.mark.parametrize("release", ["y", "on", "null"])
def test_a_release_name_may_be_a_yaml_boolean_or_null(render: Render, everything: Path, release: str) -> None:
    manifests = render(everything, {"networkPolicy": {"enabled": True}}, release=release)
    assert {m["metadata"]["labels"]["app.kubernetes.io/instance"] for m in manifests} == {release}
    assert all(m["metadata"]["name"].startswith(release) for m in manifests)


def test_a_longer_run_is_evaluated_and_exported_again(render: Render, everything: Path) -> None:
    def of(**args: Any) -> dict[str, str]:
        return names(render(everything, {"train": {"args": args}}))

    before, after = (of(lr_scheduler_type="constant", max_steps=steps) for steps in (10, 20))
    assert {name for name in before if before[name] != after[name]} == {"train", "prepare", "evaluate", "export"}


def test_jupyter_does_not_change_the_names_of_the_experiment(render: Render, everything: Path) -> None:
    without = names(render(everything, {"jupyter": {"enabled": False}}))
    assert {**names(render(everything)), "jupyter": None} == {**without, "jupyter": None}


def test_the_same_batch_from_other_keys_is_the_same_run(render: Render, everything: Path) -> None:
    derived = {"train": {"gradientAccumulationSteps": None}}
    assert names(render(everything, derived)) == names(render(everything))


def test_a_new_chart_with_reworded_templates_starts_no_new_run(
    render: Render, everything: Path, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "0.9.9"}))
    reworded = 0
    for file in [*chart.glob("templates/*.tpl"), *chart.glob("templates/*/*.tpl")]:
        text = file.read_text()
        for line in ("restartPolicy: Never\n", "command:\n"):
            text = text.replace(line, f"{line.rstrip()}  # another comment\n")
        reworded += text != file.read_text()
        file.write_text(text)
    assert reworded >= 3
    assert names(render(everything, chart=chart)) == names(render(everything))


def test_each_config_map_is_named_after_its_content(render: Render, everything: Path) -> None:
    def maps(*values: Any) -> dict[str, str]:
        return {m["metadata"]["name"]: str(m["data"]) for m in render(everything, *values) if m["kind"] == "ConfigMap"}

    before, after = maps(), maps({"train": {"args": {"lora_rank": 4}}})
    assert len(before) == len(after) == 3
    assert not before.keys() & {name for name, text in after.items() if before.get(name, text) != text}
    assert {name for name in before if "train" in name} != {name for name in after if "train" in name}
