"""Training as a JobSet and as a TrainJob: the same pods, and the fields that each of them controls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


def training(render: Render, everything: Path, launcher: str, *values: Any, **options: Any) -> Manifest:
    """Return the single object that runs training."""
    manifests = render(everything, {"train": {"launcher": launcher}}, *values, **options)
    kinds = {"job": "Job", "jobset": "JobSet", "trainjob": "TrainJob"}
    labelled = [m for m in manifests if m["metadata"]["labels"]["app.kubernetes.io/component"] == "train"]
    (found,) = [m for m in labelled if m["kind"] in kinds.values()]
    assert found["kind"] == kinds[launcher]
    assert [m["kind"] for m in labelled if m["kind"] == "Service"] == (["Service"] if launcher == "job" else [])
    return found


RENDEZVOUS = ("NODE_RANK", "JOB_NAME", "JOBSET_NAME", "MASTER_ADDR", "MASTER_PORT")


def test_a_jobset_restarts_all_pods_and_counts_only_failures(render: Render, everything: Path) -> None:
    jobset = training(render, everything, "jobset")
    spec = jobset["spec"]
    assert jobset["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
    assert {name: spec[name] for name in spec if name != "replicatedJobs"} == {
        "suspend": True,
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
        "ttlSecondsAfterFinished": 604800,
        "failurePolicy": {
            "maxRestarts": 6,
            "rules": [
                {
                    "name": "interrupted",
                    "action": "RestartJobSetAndIgnoreMaxRestarts",
                    "onJobFailureReasons": ["PodFailurePolicy"],
                    "onJobFailureMessagePatterns": ["condition DisruptionTarget", "exit code 75 "],
                },
                {
                    "name": "wrongConfig",
                    "action": "FailJobSet",
                    "onJobFailureReasons": ["PodFailurePolicy"],
                    "onJobFailureMessagePatterns": ["exit code 42 "],
                },
            ],
        },
    }
    (node,) = spec["replicatedJobs"]
    job = node["template"]["spec"]
    assert (node["name"], node["replicas"]) == ("node", 1)
    assert {name: job[name] for name in job if name != "template"} == {
        "backoffLimit": 0,
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42, 75]}},
            ]
        },
    }


def test_the_pods_of_a_jobset_and_a_job_differ_only_in_addresses(render: Render, everything: Path) -> None:
    job, jobset = (training(render, everything, launcher) for launcher in ("job", "jobset"))
    plain = job["spec"]["template"]
    (node,) = jobset["spec"]["replicatedJobs"]
    pods = node["template"]["spec"]["template"]
    assert plain["spec"].pop("subdomain") == "x-train"
    ours, theirs = (each["spec"]["containers"][0]["env"] for each in (plain, pods))
    address = {variable["name"]: variable for variable in theirs}
    assert address["JOBSET_NAME"]["valueFrom"]["fieldRef"] == {
        "fieldPath": "metadata.labels['jobset.sigs.k8s.io/jobset-name']"
    }
    assert address["MASTER_ADDR"]["value"] == "$(JOB_NAME)-0.$(JOBSET_NAME)"
    for env in (ours, theirs):
        env[:] = [variable for variable in env if variable["name"] not in ("JOBSET_NAME", "MASTER_ADDR")]
    assert pods == plain


def test_a_trainjob_patches_the_fields_that_its_api_allows(render: Render, everything: Path) -> None:
    pod = training(render, everything, "job")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    trainjob = training(render, everything, "trainjob")
    spec = trainjob["spec"]
    assert trainjob["apiVersion"] == "trainer.kubeflow.org/v1alpha1"
    assert spec.keys() == {"suspend", "runtimeRef", "trainer", "runtimePatches"}
    assert spec["runtimeRef"] == {
        "apiGroup": "trainer.kubeflow.org",
        "kind": "ClusterTrainingRuntime",
        "name": "torch-distributed",
    }
    trainer = spec["trainer"]
    env = {variable["name"]: variable for variable in trainer.pop("env")}
    assert trainer == {
        "numNodes": 2,
        "numProcPerNode": 4,
        "image": container["image"],
        "command": container["command"],
        "resourcesPerNode": container["resources"],
    }
    assert env["MASTER_ADDR"]["value"] == "$(JOB_NAME)-0.$(JOBSET_NAME)"
    assert [*env][-5:] == [*RENDEZVOUS]
    assert not [name for name in env if name.startswith("PET_")]  # set by the runtime
    (patch,) = spec["runtimePatches"]
    assert patch["manager"] == "vlm-sft"
    (node,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert node["name"] == "node"
    patched = node["template"]["spec"]["template"]
    assert patched["metadata"] == pod["metadata"]
    assert patched["spec"].pop("containers") == [
        {"name": "node", **{name: container[name] for name in ("securityContext", "volumeMounts")}}
    ]
    assert patched["spec"] == {
        name: pod["spec"][name]
        for name in (
            "serviceAccountName", "volumes", "imagePullSecrets", "securityContext", "nodeSelector", "affinity",
            "tolerations", "terminationGracePeriodSeconds",
        )
    }  # fmt: skip


@pytest.mark.parametrize("launcher", ["jobset", "trainjob"])
def test_the_release_command_and_its_role_name_the_training_object(
    render: Render, everything: Path, launcher: str
) -> None:
    manifests = render(everything, {"train": {"launcher": launcher}})
    name = training(render, everything, launcher)["metadata"]["name"]
    prepare = next(m for m in manifests if m["kind"] == "Job" and "-prepare-" in m["metadata"]["name"])
    command = prepare["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command == ["vlm-sft", "release", f"{launcher}/{name}"]
    (role,) = [m for m in manifests if m["kind"] == "Role" and m["metadata"]["name"] == "x-prepare"]
    group = {"jobset": "jobset.x-k8s.io", "trainjob": "trainer.kubeflow.org"}[launcher]
    assert {
        "apiGroups": [group],
        "resources": [f"{launcher}s"],
        "resourceNames": [name],
        "verbs": ["get", "patch"],
    } in role["rules"]
    hooks = {
        m["metadata"]["name"]: m for m in manifests if m["kind"] == "Job" and "-rollback-" in m["metadata"]["name"]
    }
    words = hooks["x-rollback-evaluate"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert words[-1] == f"--after={launcher}/{name}"


@pytest.mark.parametrize("launcher", ["jobset", "trainjob"])
def test_the_longest_pod_name_fits(render: Render, everything: Path, launcher: str) -> None:
    nodes = {"train": {"nodes": 1000, "effectiveBatchSize": None}, "ddpCheck": {"enabled": False}}
    name = training(render, everything, launcher, nodes, release="a" * 40)["metadata"]["name"]
    assert len(f"{name}-node-0-999-abcde") == 63
    other = training(render, everything, launcher, nodes, release=f"{'a' * 39}b")["metadata"]["name"]
    assert other != name


def test_a_job_that_is_never_deleted_has_no_ttl(render: Render, everything: Path) -> None:
    for launcher in ("job", "jobset"):
        for seconds, spec in ((None, {}), (0, {"ttlSecondsAfterFinished": 0})):
            found = training(render, everything, launcher, {"train": {"ttlSecondsAfterFinished": seconds}})["spec"]
            assert {name: found[name] for name in found if name.startswith("ttl")} == spec
