"""How a Job is held until its predecessor finishes, with and without Kueue; for upgrades see test_lookup.py."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
Helm = Callable[..., subprocess.CompletedProcess[str]]

QUEUE = {"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": "low"}
KUEUE = {"queueName": "team", "priorityClass": "low"}


def holds(manifests: list[Manifest]) -> dict[str, tuple[dict[str, str], dict[str, str], bool | None]]:
    """Return Kueue's labels, annotations and `suspend` of every Job by its component."""
    found = {}
    for job in (m for m in manifests if m["kind"] in ("Job", "JobSet", "TrainJob")):
        metadata = job["metadata"]
        labels = {name: value for name, value in metadata["labels"].items() if "kueue" in name}
        own = ("vlm-sft/effective-batch-size", "vlm-sft/processes", "vlm-sft/run-dir")
        annotations = {
            name: value
            for name, value in metadata.get("annotations", {}).items()
            if name not in own and not name.startswith("helm.sh/")
        }
        component = metadata["labels"]["app.kubernetes.io/component"]
        found[component] = (labels, annotations, job["spec"].get("suspend"))
    return found


def test_without_kueue_a_held_job_is_suspended(render: Render, everything: Path) -> None:
    assert holds(render(everything)) == {
        "prepare": ({}, {}, None),
        "train": ({}, {}, True),
        "evaluate": ({}, {}, True),
        "export": ({}, {}, True),
        "rollback": ({}, {}, None),
        "storage-check": ({}, {}, None),
        "ddp-check": ({}, {}, None),
    }


@pytest.mark.parametrize("launcher", ["job", "jobset", "trainjob"])
def test_kueue_holds_by_a_gate_and_the_chart_does_not_set_suspend(
    render: Render, everything: Path, launcher: str
) -> None:
    gate = {"kueue.x-k8s.io/admission-gated-by": "vlm-sft/predecessor"}
    assert holds(render(everything, {"kueue": KUEUE, "train": {"launcher": launcher}})) == {
        "prepare": (QUEUE, {}, None),
        "train": (QUEUE, gate, None),
        "evaluate": (QUEUE, gate, None),
        "export": (QUEUE, gate, None),
        "rollback": (QUEUE, {}, None),
        "storage-check": (QUEUE, {}, None),
        "ddp-check": (QUEUE, {}, None),
    }


def test_a_held_job_enters_the_queue_of_an_older_kueue_on_release(render: Render, everything: Path) -> None:
    late = {"vlm-sft/queue-name": "team", "vlm-sft/priority-class": "low"}
    assert holds(render(everything, {"kueue": {**KUEUE, "hold": "label"}})) == {
        "prepare": (QUEUE, {}, None),
        "train": ({}, late, True),
        "evaluate": ({}, late, True),
        "export": ({}, late, True),
        "rollback": (QUEUE, {}, None),
        "storage-check": (QUEUE, {}, None),
        "ddp-check": (QUEUE, {}, None),
    }


@pytest.mark.parametrize("hold", ["gate", "label"])
def test_training_without_predecessor_is_in_its_queue_at_once(render: Render, everything: Path, hold: str) -> None:
    off = {"prepare": {"enabled": False}, "train": {"dataset": ["a/b"]}, "evaluate": {"dataset": ["a/b"]}}
    assert holds(render(everything, off, {"kueue": {**KUEUE, "hold": hold}}))["train"] == (QUEUE, {}, None)


@pytest.mark.parametrize(
    ("prepare", "by"), [({}, "prepare"), ({"shards": 2}, "convert"), ({"enabled": False}, None)], ids=str
)
def test_the_preparation_releases_the_evaluation_of_another_model(
    render: Render, everything: Path, prepare: dict[str, Any], by: str | None
) -> None:
    storage = {name: {"accessMode": "ReadWriteMany"} for name in ("cache", "outputs")}
    alone = {
        "train": {"enabled": False},
        "export": {"enabled": False},
        "evaluate": {"model": "/cache/model", "dataset": ["/cache/rows.jsonl"]},
    }
    manifests = render(everything, alone, {"prepare": prepare, "storage": storage})
    assert holds(manifests)["evaluate"] == ({}, {}, by is not None or None)
    job = next(
        m["metadata"]["name"]
        for m in manifests
        if m["metadata"]["name"].startswith("x-evaluate-") and m["kind"] == "Job"
    )
    releases = {
        component: container["command"][2]
        for m in manifests
        if m["kind"] == "Job"
        and (component := m["metadata"]["labels"]["app.kubernetes.io/component"]) in ("prepare", "convert")
        for container in m["spec"]["template"]["spec"]["containers"]
        if container["name"] == "release"
    }
    assert releases.get(by or "") == (f"job/{job}" if by else None)


SHARDS = Path(__file__).parents[1] / "data" / "chart" / "shards.yaml"


@pytest.mark.parametrize(
    ("kueue", "first", "held"),
    [
        ({}, ({}, {}, None), ({}, {}, True)),
        (KUEUE, (QUEUE, {}, None), (QUEUE, {"kueue.x-k8s.io/admission-gated-by": "vlm-sft/predecessor"}, None)),
        (
            {**KUEUE, "hold": "label"},
            (QUEUE, {}, None),
            ({}, {"vlm-sft/queue-name": "team", "vlm-sft/priority-class": "low"}, True),
        ),
    ],
    ids=["suspend", "gate", "label"],
)
def test_the_pods_that_convert_are_held_like_training(render: Render, kueue: Any, first: Any, held: Any) -> None:
    found = holds(render(SHARDS, {"kueue": kueue}))
    assert (found["prepare"], found["convert"], found["train"]) == (first, held, held)


def test_a_rollback_releases_each_job_of_a_chain_after_the_one_before(render: Render) -> None:
    manifests = render(SHARDS)
    hooks = {
        m["metadata"]["name"]: m["spec"]["template"]["spec"]
        for m in manifests
        if m["metadata"].get("annotations", {}).get("helm.sh/hook") == "post-rollback"
    }
    names = {m["metadata"]["name"].split("-")[1]: m["metadata"]["name"] for m in manifests if m["kind"] == "Job"}
    released = {name: (pod["serviceAccountName"], pod["containers"][0]["command"][2:]) for name, pod in hooks.items()}
    assert released == {
        "x-rollback-convert": ("x-prepare", [f"job/{names['convert']}", f"--after=job/{names['prepare']}"]),
        "x-rollback-train": ("x-convert", [f"job/{names['train']}", f"--after=job/{names['convert']}"]),
    }


def test_the_notes_show_each_step_of_a_chain_and_how_to_continue_by_hand(render: Render, run_helm: Helm) -> None:
    names = {m["metadata"]["name"].split("-")[1]: m["metadata"]["name"] for m in render(SHARDS) if m["kind"] == "Job"}
    notes = run_helm("install", "x", CHART, "-f", SHARDS, "--dry-run=client").stdout.partition("\nNOTES:\n")[2]
    patch = '--type merge -p \'{"spec":{"suspend":false}}\''
    for line in (
        f"logs -f job/{names['prepare']} -c model",
        f"logs -f job/{names['convert']} -c data --all-pods --max-log-requests 3",
        f"delete job/{names['prepare']} job/{names['convert']}",
        f"patch job/{names['convert']} {patch}",
        f"patch job/{names['train']} {patch}",
    ):
        assert f"  kubectl -n default {line}\n" in notes


def test_another_queue_creates_another_job(render: Render, everything: Path) -> None:
    def jobs(*values: Any) -> set[str]:
        return {m["metadata"]["name"] for m in render(everything, *values) if "suspend" in m.get("spec", {})}

    assert len(jobs()) == 3
    assert not jobs() & {m["metadata"]["name"] for m in render(everything, {"kueue": KUEUE}) if m["kind"] == "Job"}
    assert jobs({"kueue": {**KUEUE, "queueName": "", "priorityClass": ""}}) == jobs()


def test_a_rollback_releases_jobs_that_were_released_before(render: Render, everything: Path) -> None:
    manifests = render(everything)
    names = {m["metadata"]["name"].split("-")[1]: m["metadata"]["name"] for m in manifests if m["kind"] == "Job"}
    hooks = [m for m in manifests if m["metadata"].get("annotations", {}).get("helm.sh/hook") == "post-rollback"]
    assert {hook["metadata"]["name"] for hook in hooks} == {
        "x-rollback-train",
        "x-rollback-evaluate",
        "x-rollback-export",
    }
    for hook in hooks:
        released = hook["metadata"]["name"].rpartition("-")[2]
        before = {"train": "prepare", "evaluate": "train", "export": "train"}[released]
        assert hook["metadata"]["annotations"] == {
            "helm.sh/hook": "post-rollback",
            "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        }
        pod = hook["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == f"x-{before}"
        (container,) = pod["containers"]
        assert container["command"] == [
            "vlm-sft", "release", f"job/{names[released]}", f"--after=job/{names[before]}",
        ]  # fmt: skip


def test_a_rollback_without_held_jobs_releases_nothing(render: Render, everything: Path) -> None:
    off = {"prepare": {"enabled": False}, "train": {"dataset": ["a/b"]}, "evaluate": {"enabled": False}}
    off["export"] = {"enabled": False}
    assert "rollback" not in holds(render(everything, off))
