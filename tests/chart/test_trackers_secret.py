"""The Secret of the trackers reaches training and the check before it, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Render = Callable[..., list[dict[str, Any]]]

TRACKED: dict[str, Any] = {
    "train": {"args": {"report_to": ["tensorboard", "wandb"]}, "trackers": {"secretName": "team"}}
}


def containers(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the containers of all Jobs, each as `component/name`."""
    found = {}
    for manifest in manifests:
        if manifest["kind"] == "Job":
            pod = manifest["spec"]["template"]["spec"]
            component = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
            for container in [*pod.get("initContainers", []), *pod["containers"]]:
                found[f"{component}/{container['name']}"] = container
    return found


def test_only_training_and_its_check_get_the_secret(render: Render, everything: Path) -> None:
    found = containers(render(everything, TRACKED))
    with_secret = {name: container["envFrom"] for name, container in found.items() if "envFrom" in container}
    secret = [{"secretRef": {"name": "team"}}]
    assert with_secret == {"train/train": secret, "prepare/trackers": secret}


def test_the_check_is_the_first_step_and_sees_the_variables_of_training(render: Render, everything: Path) -> None:
    values = {"train": {"args": {"swanlab_mode": "local", "report_to": "swanlab"}}}
    found = containers(render(everything, values))
    assert list(found).index("prepare/trackers") < list(found).index("prepare/command-0")
    check = found["prepare/trackers"]
    assert check["command"] == ["vlm-sft", "trackers", "swanlab"]
    env = {variable["name"]: variable.get("value") for variable in check["env"]}
    assert (env["SWANLAB_MODE"], env["IMAGE_MAX_TOKEN_NUM"]) == ("local", "2048")


@pytest.mark.parametrize("report_to", [["tensorboard"], "none", None, []])
def test_without_trackers_there_is_no_check(render: Render, everything: Path, report_to: object) -> None:
    found = containers(render(everything, {"train": {"args": {"report_to": report_to}}}))
    assert "prepare/trackers" not in found


def test_the_secret_does_not_change_the_run_directory(render: Render, everything: Path) -> None:
    def config(*values: Any) -> str:
        found = (m for m in render(everything, *values) if m["metadata"]["name"].startswith("x-train-config"))
        return str(next(found)["data"]["train.yaml"])

    assert config() == config({"train": {"trackers": {"secretName": "team"}}})
