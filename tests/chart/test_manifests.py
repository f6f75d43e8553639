"""Every manifest of every experiment is valid for Kubernetes, passes Pod Security, and has tokens only where needed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SUPPORTED = ("1.31", "1.37")  # oldest: Chart.yaml's kubeVersion; newest: the last that kubernetes-validate has
DATA = ROOT / "tests" / "data" / "chart"
SHARDS = DATA / "shards.yaml"
CASES = [*sorted((ROOT / "values").glob("*.yaml")), DATA / "everything.yaml", SHARDS]

FOLDERS = {"HOME", "HF_HOME", "MODELSCOPE_CACHE", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "MPLCONFIGDIR"}
# Components without model and hub, and their programs.
PROGRAMS = {"ddp-check": "vlm-sft", "rollback": "vlm-sft", "tensorboard": "tensorboard", "sync": "rclone"}
WITHOUT_GPUS = {"prepare", "convert", "storage-check", "rollback", "tensorboard", "sync"}

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield component and pod spec of every pod."""
    for manifest in manifests:
        component = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
        if manifest["kind"] in ("Job", "Deployment"):
            yield component, manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "CronJob":
            yield component, manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif manifest["kind"] == "Pod":
            yield component, manifest["spec"]


def job_of(manifests: list[Manifest], component: str) -> Manifest:
    """Return the Job of a component."""
    (job,) = [
        m
        for m in manifests
        if m["kind"] == "Job" and m["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return job


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)
def test_every_manifest_is_strictly_valid(render: Render, values: Path, version: str) -> None:
    for manifest in render(values):
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_the_supported_versions_are_the_oldest_and_the_newest() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "vlm-sft" / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={SUPPORTED[0]}.0-0"
    assert kubernetes_validate.latest_version() == f"{SUPPORTED[1]}.0"


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)
def test_every_pod_passes_pod_security_restricted(render: Render, values: Path) -> None:
    found = list(pods(render(values)))
    assert found
    for _, pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
        assert all(
            {*volume} & {"persistentVolumeClaim", "emptyDir", "configMap", "projected"} for volume in pod["volumes"]
        )
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)
def test_every_container_has_requests_limits_and_writable_folders(render: Render, values: Path) -> None:
    for component, pod in pods(render(values)):
        for container in containers(pod):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys() & container["resources"][
                "limits"
            ].keys()
            mounted = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            env = {variable["name"]: variable.get("value", "") for variable in container["env"]}
            folders = {name for name in env if name == "HOME" or name.endswith(("_HOME", "_CACHE", "_DIR", "DIR"))}
            assert folders == ({"HOME"} if component in PROGRAMS else FOLDERS)
            for name in folders:
                assert f"/{env[name].split('/')[1]}" in mounted, (component, name)
            assert container["command"][0] == PROGRAMS.get(component, "vlm-sft"), "an argument list, never a shell line"


def test_servers_have_readiness_probes_and_jobs_have_no_probes(render: Render, everything: Path) -> None:
    probes = {}
    for component, pod in pods(render(everything)):
        for container in containers(pod):
            probes[component] = {name for name in container if name.endswith("Probe")}
            assert bool(container.get("ports")) == ("readinessProbe" in probes[component]), component
    assert {component for component, found in probes.items() if found} == {"jupyter", "serve", "tensorboard"}


def test_every_object_has_the_recommended_labels(render: Render, everything: Path) -> None:
    for manifest in render(everything):
        labels = manifest["metadata"]["labels"]
        assert manifest["metadata"]["name"].startswith("x-")
        assert labels["app.kubernetes.io/instance"] == "x"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert {
            "app.kubernetes.io/name",
            "app.kubernetes.io/version",
            "app.kubernetes.io/component",
            "helm.sh/chart",
        } <= labels.keys()
        inner = manifest.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", labels)
        for name in ("name", "instance", "component"):
            assert inner[f"app.kubernetes.io/{name}"] == labels[f"app.kubernetes.io/{name}"]


def test_only_pods_that_request_gpus_get_gpus_and_their_nodes(render: Render, everything: Path) -> None:
    requested = {
        (component, container["name"]): container["resources"]["limits"].get("nvidia.com/a100", 0)
        for component, pod in pods(render(everything))
        for container in containers(pod)
    }
    assert requested == {
        ("prepare", "command-0"): 0,
        ("prepare", "images"): 0,
        ("prepare", "data"): 0,
        ("prepare", "model"): 0,
        ("prepare", "release"): 0,
        ("rollback", "release"): 0,
        ("train", "train"): 4,
        ("evaluate", "evaluate"): 2,
        ("jupyter", "jupyter"): 1,
        ("ddp-check", "ddp-check"): 4,
        ("storage-check", "storage-check"): 0,
        ("export", "export"): 1,
        ("serve", "serve"): 1,
        ("tensorboard", "tensorboard"): 0,
        ("sync", "sync"): 0,
    }
    selectors = {component: pod["nodeSelector"] for component, pod in pods(render(everything))}
    assert selectors["prepare"] == {"region": "here"}
    assert selectors["train"] == selectors["jupyter"] == selectors["ddp-check"] == {"region": "here", "gpu": "a100"}


def test_only_containers_that_release_a_job_mount_an_api_token(render: Render, everything: Path) -> None:
    manifests = render(everything)
    assert all(pod["automountServiceAccountToken"] is False for _, pod in pods(manifests))
    mounting = [
        (component, container["name"])
        for component, pod in pods(manifests)
        for container in containers(pod)
        if any("serviceaccount" in mount["mountPath"] for mount in container["volumeMounts"])
    ]
    assert sorted(mounting) == [
        ("prepare", "release"),
        ("rollback", "release"),
        ("rollback", "release"),
        ("rollback", "release"),
        ("train", "train"),
    ]
    jobs = {m["metadata"]["labels"]["app.kubernetes.io/component"]: m for m in manifests if m["kind"] == "Job"}

    def may(component: str, *verbs: str) -> Manifest:
        name = jobs[component]["metadata"]["name"]
        return {"apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": [name], "verbs": [*verbs]}

    assert {m["metadata"]["name"]: m["rules"] for m in manifests if m["kind"] == "Role"} == {
        "x-prepare": [may("prepare", "get"), may("train", "get", "patch")],
        "x-train": [may("evaluate", "get", "patch"), may("export", "get", "patch"), may("train", "get")],
    }


def test_only_containers_that_use_the_hub_reference_its_token(render: Render, everything: Path) -> None:
    token = {}
    for component, pod in pods(render(everything)):
        for container in containers(pod):
            if component == "rollback":
                assert [variable["name"] for variable in container["env"]] == ["HOME"]
                continue
            (found,) = [v for v in container["env"] if v["name"] == "HF_TOKEN"] or [None]
            token[component, container["name"]] = found and found["valueFrom"]
    for without in ("ddp-check", "storage-check", "tensorboard", "sync"):
        assert token.pop((without, without)) is None
    assert token.pop(("prepare", "release")) is None
    reference = {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": False}}
    assert list(token.values()) == [reference] * 9


def test_each_step_releases_the_next(render: Render, everything: Path) -> None:
    jobs = {m["metadata"]["labels"]["app.kubernetes.io/component"]: m for m in render(everything) if m["kind"] == "Job"}
    names = {component: job["metadata"]["name"] for component, job in jobs.items()}
    assert {component: job["spec"].get("suspend") for component, job in jobs.items()} == {
        "prepare": None,
        "train": True,
        "evaluate": True,
        "export": True,
        "ddp-check": None,
        "storage-check": None,
        "rollback": None,
    }
    prepare = jobs["prepare"]["spec"]["template"]
    assert [container["name"] for container in containers(prepare["spec"])] == [
        "command-0",
        "model",
        "images",
        "data",
        "release",
    ]
    assert prepare["spec"]["containers"][0]["command"] == ["vlm-sft", "release", f"job/{names['train']}"]
    assert prepare["metadata"]["annotations"] == {"kubectl.kubernetes.io/default-container": "data"}
    train = jobs["train"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert [word for word in train if word.startswith("--then-release=")] == [
        f"--then-release=job/{names['evaluate']}",
        f"--then-release=job/{names['export']}",
    ]
    assert "--data-marker=/outputs/fire_bc/stats.json" in train


def test_several_pods_convert_a_part_each_and_the_last_one_releases_training(render: Render) -> None:
    manifests = render(SHARDS)
    jobs = {component: job_of(manifests, component) for component in ("prepare", "convert", "train")}
    names = {component: job["metadata"]["name"] for component, job in jobs.items()}
    assert {component: job["spec"].get("suspend") for component, job in jobs.items()} == {
        "prepare": None,
        "convert": True,
        "train": True,
    }
    prepare = {c["name"]: c["command"] for c in containers(jobs["prepare"]["spec"]["template"]["spec"])}
    assert prepare == {
        "model": ["vlm-sft", "fetch", "example/vlm-8b"],
        "release": ["vlm-sft", "release", f"job/{names['convert']}"],
    }
    spec = jobs["convert"]["spec"]
    assert {key: spec.get(key) for key in ("completionMode", "completions", "parallelism", "backoffLimitPerIndex")} == {
        "completionMode": "Indexed",
        "completions": 3,
        "parallelism": 3,
        "backoffLimitPerIndex": 2,
    }
    assert "backoffLimit" not in spec, "it would end the Job for the failures of all parts together"
    pod = spec["template"]["spec"]
    data, release = containers(pod)
    assert data["command"][-2:] == ["--shard", "$(JOB_COMPLETION_INDEX)/3"]
    assert data["command"][:5] == ["vlm-sft", "prepare", "robo2vlm", "--input", "keplerccc/Robo2VLM-1"]
    marker = "/outputs/robo2vlm_bc/stats.json"
    assert release["command"] == ["vlm-sft", "release", f"job/{names['train']}", "--when", marker]
    assert "podAntiAffinity" in pod["affinity"]
    train = jobs["train"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert f"--data-marker={marker}" in train


def test_each_job_may_release_only_the_next(render: Render) -> None:
    manifests = render(SHARDS)
    names = {c: job_of(manifests, c)["metadata"]["name"] for c in ("prepare", "convert", "train")}
    roles = {
        m["metadata"]["name"]: {rule["resourceNames"][0]: rule["verbs"] for rule in m["rules"]}
        for m in manifests
        if m["kind"] == "Role"
    }
    assert roles == {
        "x-prepare": {names["prepare"]: ["get"], names["convert"]: ["get", "patch"]},
        "x-convert": {names["convert"]: ["get"], names["train"]: ["get", "patch"]},
    }
    accounts = {component: pod.get("serviceAccountName") for component, pod in pods(manifests)}
    assert (accounts["prepare"], accounts["convert"]) == ("x-prepare", "x-convert")


def test_a_conversion_without_steps_before_it_starts_at_once(render: Render) -> None:
    manifests = render(SHARDS, {"model": {"download": False}})
    assert "suspend" not in job_of(manifests, "convert")["spec"]
    assert job_of(manifests, "train")["spec"]["suspend"] is True
    names = {m["metadata"]["name"] for m in manifests}
    assert "x-convert" in names
    assert not {name for name in names if name.startswith("x-prepare")}


def test_several_pods_prepare_without_training(render: Render) -> None:
    manifests = render(SHARDS, {"train": {"enabled": False}, "prepare": {"commands": [["true"]]}})
    assert job_of(manifests, "convert")["spec"]["suspend"] is True
    pod = job_of(manifests, "convert")["spec"]["template"]["spec"]
    assert [container["name"] for container in containers(pod)] == ["data"]
    assert "serviceAccountName" not in pod
    assert {m["metadata"]["name"] for m in manifests if m["kind"] == "Role"} == {"x-prepare"}


def test_training_is_not_held_without_a_preparation(render: Render, everything: Path) -> None:
    off = {
        "prepare": {"enabled": False},
        "train": {"dataset": ["org/rows#500"]},
        "evaluate": {"dataset": ["org/rows#9"]},
    }
    manifests = render(everything, off)
    train = next(m for m in manifests if m["kind"] == "Job" and "-train-" in m["metadata"]["name"])
    assert "suspend" not in train["spec"]
    assert not [m for m in manifests if m["metadata"]["name"].startswith("x-prepare")]


def test_a_preparation_without_training_ends_with_its_last_step(render: Render, everything: Path) -> None:
    manifests = render(
        everything, {"train": {"enabled": False}, "evaluate": {"enabled": False}, "export": {"enabled": False}}
    )
    pod = next(pod for component, pod in pods(manifests) if component == "prepare")
    assert [container["name"] for container in containers(pod)] == ["command-0", "images", "data"]
    assert "serviceAccountName" not in pod
    assert not [m for m in manifests if m["kind"] in ("Role", "ServiceAccount")]


def test_the_failure_policy_distinguishes_eviction_config_errors_and_stops(render: Render, everything: Path) -> None:
    spec = next(m["spec"] for m in render(everything) if m["kind"] == "Job" and "-train-" in m["metadata"]["name"])
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [75]}},
    ]


def test_nodes_use_the_dns_name_of_the_first_pod(render: Render, everything: Path) -> None:
    release = "a" * 40
    check = {"ddpCheck": {"samples": 2000000}}
    manifests = render(everything, {"train": {"nodes": 1000, "effectiveBatchSize": None}}, check, release=release)
    job = next(m for m in manifests if m["kind"] == "Job" and "-train-" in m["metadata"]["name"])
    service = next(m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"].endswith("-train"))
    assert (job["spec"]["completionMode"], job["spec"]["completions"], job["spec"]["parallelism"]) == (
        "Indexed",
        1000,
        1000,
    )
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    template = job["spec"]["template"]
    assert template["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    env = {variable["name"]: variable.get("value") for variable in template["spec"]["containers"][0]["env"]}
    assert env["MASTER_ADDR"] == f"$(JOB_NAME)-0.{service['metadata']['name']}"
    assert len(f"{job['metadata']['name']}-999") <= 63  # hostname of the last pod
    assert all(len(m["metadata"]["name"]) <= 63 for m in manifests if m["kind"] != "ConfigMap")


def test_backoff_limit_is_restarts_times_nodes(render: Render, everything: Path) -> None:
    for nodes, limit in ((1, 3), (2, 6)):
        change = {"train": {"nodes": nodes, "maxRestarts": 3, "effectiveBatchSize": None}}
        assert job_of(render(everything, change), "train")["spec"]["backoffLimit"] == limit


def test_pods_of_one_run_prefer_separate_nodes_and_get_the_fabric(render: Render, everything: Path) -> None:
    fabric = {
        "env": {"NCCL_SOCKET_IFNAME": "eth0", "NCCL_IB_TC": 1000000, "NCCL_IB_DISABLE": None, "MINE": "$(HOME)"},
        "resources": {"vpc.amazonaws.com/efa": 4},
        "hostNetwork": True,
        "ipcLock": True,
    }
    two = {"fabric": fabric}
    pod = job_of(render(everything, two), "train")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["env"][-3:] == [
        {"name": "MINE", "value": "$$(HOME)"},
        {"name": "NCCL_IB_TC", "value": "1000000"},
        {"name": "NCCL_SOCKET_IFNAME", "value": "eth0"},
    ]
    for part in ("requests", "limits"):
        assert container["resources"][part] == {
            "cpu": 8, "memory": "64Gi", "nvidia.com/a100": 4, "vpc.amazonaws.com/efa": 4,
        }  # fmt: skip
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}
    (apart,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert apart == {
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {
                "matchLabels": job_of(render(everything), "train")["spec"]["template"]["metadata"]["labels"]
            },
        },
    }
    one = {"train": {"nodes": 1, "gradientAccumulationSteps": None}}
    assert render(everything, one, two) == render(everything, one)


def test_the_fabric_is_not_part_of_the_run_config(render: Render, everything: Path) -> None:
    run = {"fabric": {"env": {"NCCL_SOCKET_IFNAME": "eth0"}}}
    before, after = (job_of(render(everything, change), "train")["metadata"] for change in ({}, run))
    assert before["annotations"] == after["annotations"]
    assert before["name"] != after["name"]


def test_pods_get_spread_constraints_and_gpu_pods_the_runtime_class(render: Render, everything: Path) -> None:
    constraint = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    mine = {**constraint, "labelSelector": {"matchLabels": {"team": "a"}}}
    change = {
        "scheduling": {"topologySpreadConstraints": [constraint, mine]},
        "gpu": {"runtimeClassName": "nvidia"},
    }
    for component, pod in pods(render(everything, change)):
        labels = {
            "app.kubernetes.io/name": "vlm-sft",
            "app.kubernetes.io/instance": "x",
            "app.kubernetes.io/component": component,
        }
        first, second = pod["topologySpreadConstraints"]
        assert first == {**constraint, "labelSelector": {"matchLabels": labels}}
        assert second == mine
        assert pod.get("runtimeClassName") == (None if component in WITHOUT_GPUS else "nvidia")


def test_the_network_policy_allows_only_the_release_and_needed_ports(render: Render, everything: Path) -> None:
    manifests = render(everything, {"networkPolicy": {"enabled": True}})
    (policy,) = [m for m in manifests if m["kind"] == "NetworkPolicy"]
    release = {"matchLabels": {"app.kubernetes.io/name": "vlm-sft", "app.kubernetes.io/instance": "x"}}
    assert policy["spec"] == {
        "podSelector": release,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": release}]}],
        "egress": [
            {"to": [{"podSelector": release}]},
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"ports": [{"port": 80}, {"port": 443}, {"port": 6443}]},
        ],
    }
    labels = [m["spec"]["template"]["metadata"]["labels"] for m in manifests if m["kind"] in ("Job", "Deployment")]
    labels += [m["metadata"]["labels"] for m in manifests if m["kind"] == "Pod"]
    assert all(release["matchLabels"].items() <= each.items() for each in labels)
    assert not [m for m in render(everything) if m["kind"] == "NetworkPolicy"]


def test_claims_are_kept_or_deleted_with_the_release(render: Render, everything: Path) -> None:
    kept = {m["metadata"]["name"]: m for m in render(everything) if m["kind"] == "PersistentVolumeClaim"}
    assert {name: m["metadata"]["annotations"] for name, m in kept.items()} == {
        "x-cache": {"helm.sh/resource-policy": "keep"},
        "x-outputs": {"helm.sh/resource-policy": "keep"},
    }
    assert kept["x-outputs"]["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "shared",
        "resources": {"requests": {"storage": "500Gi"}},
    }
    changed = {"storage": {"cache": {"keep": False, "storageClassName": ""}, "outputs": {"existingClaim": "ours"}}}
    manifests = render(everything, changed)
    (cache,) = [m for m in manifests if m["kind"] == "PersistentVolumeClaim"]
    assert "annotations" not in cache["metadata"]
    assert "storageClassName" not in cache["spec"]
    for component, pod in pods(manifests):
        claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
        mounted = {"ddp-check": [], "rollback": [], "tensorboard": ["ours"], "sync": ["ours"]}
        assert claims == mounted.get(component, ["x-cache", "ours"])


def test_jupyter_has_a_service_and_its_token_only_in_a_file(render: Render) -> None:
    manifests = render(ROOT / "values" / "jupyter-2gpu.yaml", release="lab")
    assert {m["kind"] for m in manifests} == {"PersistentVolumeClaim", "Pod", "Service", "Job"}
    assert [m["metadata"]["name"] for m in manifests if m["kind"] == "Job"] == ["lab-storage-check"]
    pod = next(m for m in manifests if m["kind"] == "Pod")
    service = next(m for m in manifests if m["kind"] == "Service")
    assert service["spec"]["type"] == "ClusterIP"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    assert container["command"] == [
        "vlm-sft",
        "jupyter",
        "--token-file=/outputs/lab/jupyter-token",
        "--root-dir=/outputs",
    ]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
