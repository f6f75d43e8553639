"""Volumes of the test cluster: local folders that every node sees, like a shared file system."""

import subprocess
from pathlib import Path
from typing import Any

import binaries
from network import node_name

FOLDER = binaries.CACHE / "volumes"
SHARED = 24  # volumes of 2 GiB
SMALL_MIB = 128


def make(nodes: int) -> list[dict[str, Any]]:
    """Create the folders; return classes and volumes: many of "shared", and one of "small" to be filled up."""
    volumes = []
    for index in range(SHARED):
        folder = FOLDER / str(index)
        folder.mkdir(parents=True)
        volumes.append(_volume(f"volume-{index}", folder, "shared", "2Gi", nodes))
    small = FOLDER / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", str(small)], check=True)
    volumes.append(_volume("small", small, "small", f"{SMALL_MIB}Mi", nodes))
    return [_class("shared", {"storageclass.kubernetes.io/is-default-class": "true"}), _class("small", {}), *volumes]


def _class(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner",
        "metadata": {"name": name, "annotations": annotations}, "volumeBindingMode": "WaitForFirstConsumer",
    }  # fmt: skip


def _volume(name: str, path: Path, storage_class: str, size: str, nodes: int) -> dict[str, Any]:
    hosts = [node_name(number) for number in range(1, nodes + 1)]
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": hosts}]}]
    return {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                 "storageClassName": storage_class, "persistentVolumeReclaimPolicy": "Retain",
                 "local": {"path": str(path)}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}},
    }  # fmt: skip
