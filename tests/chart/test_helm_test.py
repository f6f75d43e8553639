"""The Jobs of `helm test`: a check of the claims, and DDP over the processes of training without claims and data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


def hooks(manifests: list[Manifest]) -> dict[str, Manifest]:
    found = {m["metadata"]["name"]: m for m in manifests}
    return {n: m for n, m in found.items() if m["metadata"].get("annotations", {}).get("helm.sh/hook") == "test"}


def test_only_helm_test_creates_the_checks_and_recreates_them_each_time(render: Render, everything: Path) -> None:
    found = {name: job["metadata"]["annotations"] for name, job in hooks(render(everything)).items()}
    recreated = {"helm.sh/hook": "test", "helm.sh/hook-delete-policy": "before-hook-creation"}
    assert found == {"x-ddp-check": recreated, "x-storage-check": {**recreated, "helm.sh/hook-weight": "-1"}}
    assert hooks(render(everything, {"ddpCheck": {"enabled": False}})).keys() == {"x-storage-check"}


def test_the_ddp_check_has_the_processes_of_training_but_not_its_claims(render: Render, everything: Path) -> None:
    env = {"NCCL_IB_DISABLE": 1, "NCCL_SOCKET_IFNAME": "$(X)", "NCCL_DEBUG": "INFO"}
    fabric = {"env": {"NCCL_DEBUG": "WARN"}, "resources": {"rdma/hca": 1}, "hostNetwork": True, "ipcLock": True}
    manifests = render(everything, {"train": {"env": env}, "fabric": fabric})
    spec = hooks(manifests)["x-ddp-check"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    pod = spec["template"]["spec"]
    assert {volume["name"] for volume in pod["volumes"]} == {"tmp", "shm"}
    (container,) = pod["containers"]
    assert container["command"] == [
        "vlm-sft",
        "ddp-check",
        "--gpus=4",
        "--processes=4",
        "--timeout-s=120",
        "--samples=4096",
        "--features=128",
        "--classes=4",
        "--epochs=2",
        "--batch=256",
        "--learning-rate=0.003",
        "--seed=42",
    ]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert env == {
        "HOME": "/tmp",
        "USER": "vlm-sft",
        "PYTHONUNBUFFERED": "1",
        "IMAGE_MAX_TOKEN_NUM": "2048",
        "NCCL_IB_DISABLE": "1",
        "NCCL_SOCKET_IFNAME": "$$(X)",
        "NNODES": "2",
        "NODE_RANK": None,
        "MASTER_ADDR": "x-ddp-check-0.x-ddp-check",
        "MASTER_PORT": "29500",
        "NCCL_DEBUG": "WARN",
    }
    assert (pod["hostNetwork"], container["resources"]["limits"]["rdma/hca"]) == (True, 1)
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}
    (service,) = [m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"] == "x-ddp-check"]
    assert service["spec"] == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": spec["template"]["metadata"]["labels"],
    }
    assert pod["subdomain"] == "x-ddp-check"


def test_one_cpu_node_needs_no_service_and_no_gpus(render: Render, everything: Path) -> None:
    cpu = {"accelerator": "cpu", "sharding": "ddp", "nodes": 1, "gpusPerNode": 3, "effectiveBatchSize": None}
    manifests = render(everything, {"train": cpu})
    spec = hooks(manifests)["x-ddp-check"]["spec"]
    assert "completionMode" not in spec
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"][2:4] == ["--gpus=0", "--processes=3"]
    assert container["resources"]["limits"] == {"cpu": 4, "memory": "16Gi"}
    assert not [m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"] == "x-ddp-check"]


def test_the_storage_check_mounts_both_claims(render: Render, everything: Path) -> None:
    (container,) = hooks(render(everything))["x-storage-check"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["vlm-sft", "storage-check", "/cache", "/outputs"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/cache", "/outputs", "/tmp"}


ALONE = {"prepare": {"enabled": False}, "train": {"enabled": False, "gpusPerNode": 4}, "ddpCheck": {"enabled": True}}


def test_a_ddp_check_alone_is_the_only_object_and_takes_large_and_small_numbers(render: Render) -> None:
    numbers = {"samples": 2000000, "batchSize": 100000, "learningRate": 1e-5, "seed": 0, "features": 1, "epochs": 1}
    (job,) = render(ALONE, {"ddpCheck": numbers})
    assert job["metadata"]["name"] == "x-ddp-check"
    pod = job["spec"]["template"]["spec"]
    assert {volume["name"] for volume in pod["volumes"]} == {"tmp", "shm"}
    options = dict(option.lstrip("-").split("=") for option in pod["containers"][0]["command"][2:])
    assert options == {
        "gpus": "4",
        "processes": "4",
        "timeout-s": "120",
        "samples": "2000000",
        "features": "1",
        "classes": "4",
        "epochs": "1",
        "batch": "100000",
        "learning-rate": "0.00001",
        "seed": "0",
    }


@pytest.mark.parametrize("workload", ["prepare", "train", "jupyter", "serve", "tensorboard", "sync"])
def test_any_other_workload_brings_the_claims_back(render: Render, everything: Path, workload: str) -> None:
    workloads = ("prepare", "train", "evaluate", "jupyter", "export", "serve", "tensorboard", "sync")
    off = {name: {"enabled": False} for name in workloads}
    rows = {"train": {"dataset": ["a/b"]}}
    found = {m["kind"] for m in render(everything, off, rows)}
    assert "PersistentVolumeClaim" not in found
    manifests = render(everything, off, rows, {workload: {"enabled": True}})
    claims = {m["metadata"]["name"] for m in manifests if m["kind"] == "PersistentVolumeClaim"}
    assert claims == {"x-cache", "x-outputs"}
    assert hooks(manifests).keys() == {"x-ddp-check", "x-storage-check"}
