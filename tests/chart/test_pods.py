"""What all pods share: further volumes, environment, labels, certificates, accounts; and paths that no pod mounts."""

# ruff: noqa: E501 - messages are compared whole

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
Template = Callable[..., Any]

EXTRA = [
    {"name": "shared", "mountPath": "/shared", "existingClaim": "lab-data", "subPath": "fire"},
    {"name": "scratch", "mountPath": "/scratch", "existingClaim": "scratch", "readOnly": False},
]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the component and the pod (template) of each workload."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if manifest["kind"] == "Pod" or "template" in spec:
            pod = manifest if manifest["kind"] == "Pod" else spec["template"]
            yield pod["metadata"]["labels"]["app.kubernetes.io/component"], pod


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Manifest) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container.get("env", [])}


@pytest.fixture
def manifests(render: Render, everything: Path) -> list[Manifest]:
    return render(
        everything,
        {
            "storage": {"extra": EXTRA},
            "extraEnv": {"HTTPS_PROXY": "http://proxy:3128", "WORKERS": 4},
            "extraEnvFrom": [{"secretRef": {"name": "login"}}],
            "podLabels": {"team": "vision"},
            "podAnnotations": {"sidecar.istio.io/inject": "false"},
            "caCertificates": {"configMap": "lab-ca"},
            "dataPod": {"enabled": True},
            "train": {"trackers": {"secretName": "trackers"}},
            "scheduling": {"schedulerName": "volcano"},
        },
    )


def test_every_pod_that_mounts_the_cache_mounts_the_further_volumes(manifests: list[Manifest]) -> None:
    seen = set()
    for component, pod in pods(manifests):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        if "cache" not in volumes:
            continue
        seen.add(component)
        assert volumes["extra-shared"]["persistentVolumeClaim"] == {"claimName": "lab-data", "readOnly": True}
        for container in containers(pod):
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            shared = {"name": "extra-shared", "mountPath": "/shared", "readOnly": True, "subPath": "fire"}
            assert mounts["extra-shared"] == shared
            assert mounts["extra-scratch"]["readOnly"] is False
    assert seen >= {"prepare", "train", "evaluate", "export", "serve", "jupyter", "data", "storage-check"}


def test_every_pod_has_labels_annotations_and_scheduler(manifests: list[Manifest]) -> None:
    for component, pod in pods(manifests):
        assert pod["metadata"]["labels"]["team"] == "vision", component
        assert pod["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false", component
        assert pod["spec"]["schedulerName"] == "volcano", component


def test_variables_and_certificates_reach_the_containers_that_use_a_network(manifests: list[Manifest]) -> None:
    for component, pod in pods(manifests):
        for container in containers(pod):
            if component in ("tensorboard", "rollback"):
                continue
            env = environment(container)
            assert (env["HTTPS_PROXY"], env["WORKERS"]) == ("http://proxy:3128", "4"), component
            assert env["SSL_CERT_FILE"] == "/certificates/ca.crt", component
            mounts = [mount["name"] for mount in container["volumeMounts"]]
            assert "certificates" in mounts, component
            if component not in ("storage-check",):
                assert {"secretRef": {"name": "login"}} in container["envFrom"], component
    train = next(pod for component, pod in pods(manifests) if component == "train")
    assert {"secretRef": {"name": "trackers"}} in containers(train)[0]["envFrom"]


def test_an_existing_account_needs_no_role(render: Render, everything: Path) -> None:
    manifests = render(everything, {"serviceAccount": {"name": "ours"}})
    assert not {m["kind"] for m in manifests} & {"ServiceAccount", "Role", "RoleBinding"}
    used = {pod["spec"].get("serviceAccountName") for _, pod in pods(manifests)} - {None}
    assert used == {"ours"}


CLAIMS = "copy it there (dataPod.enabled), or mount its volume (storage.extra)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        *(
            (
                {"train": {"dataset": [path]}},
                f"train.dataset: got {path}, which no pod mounts; need a path below /cache, /outputs: {CLAIMS}",
            )
            for path in ("/home/me/t.jsonl", "./t.jsonl", "../t.jsonl", "~/t.jsonl", "C:/data/t.jsonl", "/cache/../etc/t.jsonl", "/cachet/t.jsonl")
        ),
        (
            {"model": {"id": "/data/model"}, "storage": {"extra": EXTRA}},
            f"model.id: got /data/model, which no pod mounts; need a path below /cache, /outputs, /shared, /scratch: {CLAIMS}",
        ),
        (
            {"storage": {"extra": [{"name": "a", "mountPath": "/cache/a", "existingClaim": "b"}]}},
            "storage.extra[0].mountPath: got /cache/a, which overlaps /cache of the cache claim; use a folder of its own, such as /a",
        ),
        (
            {"storage": {"extra": [*EXTRA, {"name": "b", "mountPath": "/shared/b", "hostPath": "/b"}]}},
            "storage.extra[2].mountPath: got /shared/b, which overlaps /shared of storage.extra[0]; use a folder of its own, such as /b",
        ),
        (
            {"storage": {"extra": [{"name": "a", "mountPath": "/a"}]}},
            "storage.extra[0]: got no source, need one of existingClaim, nfs and hostPath",
        ),
        (
            {"storage": {"extra": [EXTRA[0], {**EXTRA[0], "mountPath": "/other"}]}},
            "storage.extra[1].name: shared is used twice; choose another",
        ),
        (
            {"extraEnv": {"WANDB_API_KEY": "x"}},
            "extraEnv.WANDB_API_KEY: named like a secret, which manifests must not hold; put it into the secret that extraEnvFrom names",
        ),
        (
            {"fabric": {"env": {"MY_TOKEN": "x"}}},
            "fabric.env.MY_TOKEN: named like a secret, which a ConfigMap must not hold; put it into the secret that extraEnvFrom names",
        ),
        (
            {"extraEnv": {"HF_HOME": "/x"}},
            "extraEnv.HF_HOME: set, but the chart sets it from the pod's environment; remove it here",
        ),
        (
            {"podLabels": {"app.kubernetes.io/name": "x"}},
            "podLabels.app.kubernetes.io/name: the chart finds its pods by this label; remove it",
        ),
        (
            {"caCertificates": {"configMap": "a", "secret": "b"}},
            "caCertificates: configMap and secret are both set; keep one",
        ),
        (
            {"extraEnvFrom": [{"secret": "x"}]},
            "extraEnvFrom[0]: got secret, need secretRef or configMapRef with a name",
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_would_fail_in_the_queue_fails_before(
    template: Template, everything: Path, values: dict[str, Any], message: str
) -> None:
    done = template(everything, values)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()


def test_models_and_data_may_lie_on_further_volumes(render: Render, everything: Path) -> None:
    train = {"dataset": ["/scratch/t.jsonl#5"], "valDataset": ["/scratch/v.jsonl"]}
    values = {"model": {"id": "/shared/model"}, "train": train}
    assert render(everything, {"storage": {"extra": EXTRA}, **values})
