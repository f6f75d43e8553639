"""How Jobs are held after an upgrade, tested against a local API server that serves the live Jobs."""

import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_keys import merged

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"
KINDS = {
    "v1": ["ConfigMap", "PersistentVolumeClaim", "Pod", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment"],
    "batch/v1": ["Job", "CronJob"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
}


def discovery(kinds_by_group: dict[str, list[str]]) -> dict[str, Any]:
    """Return the discovery answers of an API server, by path."""
    versions = {
        group: {"groupVersion": group, "version": group.partition("/")[2]} for group in kinds_by_group if group != "v1"
    }
    groups = [
        {"name": group.partition("/")[0], "versions": [version], "preferredVersion": version}
        for group, version in versions.items()
    ]
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": groups},
    }
    for group, kinds in kinds_by_group.items():
        resources = [{"name": f"{kind.lower()}s", "namespaced": True, "kind": kind, "verbs": ["get"]} for kind in kinds]
        path = "/api/v1" if group == "v1" else f"/apis/{group}"
        answers[path] = {"kind": "APIResourceList", "groupVersion": group, "resources": resources}
    return answers


OWNED = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "x", "meta.helm.sh/release-namespace": "default"},
}

Helm = Callable[..., subprocess.CompletedProcess[str]]
Job = dict[str, Any]


@contextmanager
def cluster(
    jobs: dict[str, Job],
    kubeconfig: Path,
    queues: tuple[str, ...] = (),
    more: dict[str, list[str]] | None = None,
    claims: tuple[str, ...] = (),
) -> Iterator[None]:
    """Serve these Jobs, LocalQueues, claims and `more` APIs like the Kubernetes API; write the kubeconfig."""

    answers = discovery({**KINDS, **(more or {})})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            folder, _, name = path.rpartition("/")
            found = answers.get(path)
            if folder == "/apis/batch/v1/namespaces/default/jobs" and name in jobs:
                found = {"apiVersion": "batch/v1", "kind": "Job", **jobs[name]}
                found["metadata"] = merged({"name": name, **OWNED}, jobs[name].get("metadata", {}))
            elif folder.endswith("/namespaces/default/localqueues") and name in queues:
                found = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue", "metadata": {"name": name}}
            elif folder.endswith("/namespaces/default/persistentvolumeclaims") and name in claims:
                metadata = {"name": name, **OWNED}
                found = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
            body = json.dumps(
                found or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            ).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": ""}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [here],
        "contexts": [context],
        "current-context": "here",
    }
    kubeconfig.write_text(json.dumps(config))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


RUNNING: Job = {"spec": {"suspend": False}, "status": {"active": 1}}
HELD: Job = {"spec": {"suspend": True}, "status": {}}
FINISHED: Job = {"spec": {}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
FAILED: Job = {"spec": {}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize(
    ("live", "held"),
    [
        ({}, {"train": True, "evaluate": True}),
        ({"prepare": RUNNING, "train": HELD, "evaluate": HELD}, {"train": True, "evaluate": True}),
        ({"prepare": FINISHED, "train": RUNNING, "evaluate": HELD}, {"train": False, "evaluate": True}),
        ({"prepare": FINISHED, "train": FINISHED, "evaluate": RUNNING}, {"train": False, "evaluate": False}),
        ({"prepare": FAILED, "train": HELD, "evaluate": HELD}, {"train": True, "evaluate": True}),
        ({"prepare": FINISHED, "evaluate": HELD}, {"train": False, "evaluate": True}),  # the training Job was deleted
        ({"prepare": FAILED}, {"train": True, "evaluate": True}),
    ],
    ids=[
        "first install",
        "preparing",
        "training",
        "evaluating",
        "preparation failed",
        "training deleted",
        "both deleted",
    ],
)
def test_an_upgrade_does_not_hold_running_jobs(
    run_helm: Helm, everything: Path, tmp_path: Path, major: int, live: dict[str, Job], held: dict[str, bool]
) -> None:
    install, upgrade = (rendered(run_helm, everything, tmp_path, major, jobs) for jobs in ({}, live))
    assert {component: job["metadata"]["name"] for component, job in upgrade.items()} == {
        component: job["metadata"]["name"] for component, job in install.items()
    }
    assert {component: upgrade[component]["spec"]["suspend"] for component in held} == held


SHARDS = Path(__file__).parents[1] / "data" / "chart" / "shards.yaml"


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize(
    ("live", "held"),
    [
        ({}, {"convert": True, "train": True}),
        ({"prepare": RUNNING, "convert": HELD, "train": HELD}, {"convert": True, "train": True}),
        ({"prepare": FINISHED, "convert": RUNNING, "train": HELD}, {"convert": False, "train": True}),
        ({"prepare": FINISHED, "convert": FINISHED, "train": RUNNING}, {"convert": False, "train": False}),
        ({"prepare": FINISHED, "train": HELD}, {"convert": False, "train": True}),  # a failed conversion was deleted
        ({"train": HELD}, {"convert": True, "train": True}),
    ],
    ids=["first install", "preparing", "converting", "training", "conversion deleted", "both deleted"],
)
def test_an_upgrade_does_not_hold_a_running_conversion(
    run_helm: Helm, tmp_path: Path, major: int, live: dict[str, Job], held: dict[str, bool]
) -> None:
    upgrade = rendered(run_helm, SHARDS, tmp_path, major, live)
    assert {component: upgrade[component]["spec"]["suspend"] for component in held} == held


# Fields of the live Job after its release, by kueue.hold.
GATE, QUEUE = "kueue.x-k8s.io/admission-gated-by", "kueue.x-k8s.io/queue-name"
GATED: Job = {**HELD, "metadata": {"labels": {QUEUE: "q"}, "annotations": {GATE: "vlm-sft/predecessor"}}}
QUEUED: Job = {**HELD, "metadata": {"labels": {QUEUE: "q"}}}
LATE = {"vlm-sft/queue-name": "q"}


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize(
    ("hold", "live", "labels", "annotations", "suspend"),
    [
        ("gate", {}, {QUEUE: "q"}, {GATE: "vlm-sft/predecessor"}, None),
        ("gate", {"prepare": RUNNING, "train": GATED}, {QUEUE: "q"}, {GATE: "vlm-sft/predecessor"}, None),
        ("gate", {"prepare": FINISHED, "train": QUEUED}, {QUEUE: "q"}, {}, None),
        ("gate", {"prepare": FINISHED}, {QUEUE: "q"}, {}, None),
        ("label", {}, {}, LATE, True),
        ("label", {"prepare": RUNNING, "train": {**HELD, "metadata": {"annotations": LATE}}}, {}, LATE, True),
        ("label", {"prepare": FINISHED, "train": {**RUNNING, "metadata": {"annotations": LATE}}}, {}, LATE, False),
        ("label", {"prepare": FINISHED}, {QUEUE: "q"}, {}, None),
        (
            "label",
            {"prepare": FINISHED, "train": {**RUNNING, "metadata": {"labels": {QUEUE: "q"}}}},
            {QUEUE: "q"},
            {},
            None,
        ),
    ],
    ids=[
        "gated at the install",
        "gated while the data is prepared",
        "not gated again after the release",
        "not gated when recreated after the preparation",
        "unlabelled at the install",
        "unlabelled while the data is prepared",
        "as Kueue set it after the release",
        "labelled when recreated after the preparation",
        "still labelled when created with the label",
    ],
)
def test_fields_that_kueue_owns_are_not_overwritten(
    run_helm: Helm,
    everything: Path,
    tmp_path: Path,
    major: int,
    hold: str,
    live: dict[str, Job],
    labels: dict[str, str],
    annotations: dict[str, str],
    suspend: bool | None,
) -> None:
    options = ["--set", f"kueue.queueName=q,kueue.hold={hold}"]
    train = rendered(run_helm, everything, tmp_path, major, live, options)["train"]
    metadata = train["metadata"]
    assert {name: value for name, value in metadata["labels"].items() if "kueue" in name} == labels
    own = ("vlm-sft/effective-batch-size", "vlm-sft/processes", "vlm-sft/run-dir")
    assert {name: value for name, value in metadata["annotations"].items() if name not in own} == annotations
    assert train["spec"].get("suspend") == suspend


KUEUE = {"kueue.x-k8s.io/v1beta2": ["LocalQueue"]}


@pytest.mark.parametrize(("queue", "refused"), [("default", True), ("other", False)])
def test_hold_label_is_refused_in_a_namespace_with_a_default_queue(
    run_helm: Helm, everything: Path, tmp_path: Path, queue: str, refused: bool
) -> None:
    for hold in ("label", "gate"):
        options = ["--set", f"kueue.queueName=q,kueue.hold={hold}"]
        with cluster({}, tmp_path / "kubeconfig", (queue,), KUEUE):
            done = on_the_cluster(run_helm, everything, tmp_path, 4, options)
        message = (
            "kueue.hold: label, but the LocalQueue default of namespace default would start a held Job at once; "
            "use gate (Kueue 0.19 or newer), or rename that queue"
        )
        assert (message in done.stderr) == (done.returncode != 0) == (refused and hold == "label")


@pytest.mark.parametrize(("launcher", "api", "kind"), [
    ("jobset", "jobset.x-k8s.io/v1alpha2", "JobSet"),
    ("trainjob", "trainer.kubeflow.org/v1alpha1", "TrainJob"),
])  # fmt: skip
def test_a_launcher_missing_in_the_cluster_is_refused(
    run_helm: Helm, everything: Path, tmp_path: Path, launcher: str, api: str, kind: str
) -> None:
    options = ["--set", f"train.launcher={launcher}"]
    known = {"apiregistration.k8s.io/v1": ["APIService"]}
    for more, refused in ((known, True), ({**known, api: [kind]}, False)):
        with cluster({}, tmp_path / "kubeconfig", (), more):
            done = on_the_cluster(run_helm, everything, tmp_path, 4, options)
        message = f"train.launcher: got {launcher}, but the cluster has no {api}; install it, or use job"
        assert (message in done.stderr) == (done.returncode != 0) == refused
    assert run_helm("template", "x", CHART, "-f", everything, *options).returncode == 0, (
        "without a cluster the check is skipped"
    )


def on_the_cluster(
    run_helm: Helm, values: Path, folder: Path, major: int, options: list[str]
) -> subprocess.CompletedProcess[str]:
    """Render like `helm upgrade`, with the answers of the cluster in `folder`'s kubeconfig."""
    command = ["template", "x", CHART, "-f", values, *options, "--dry-run=server", "--disable-openapi-validation"]
    return run_helm(*command, major=major, env={"KUBECONFIG": str(folder / "kubeconfig")})


def test_claims_that_exist_stay_when_only_the_ddp_check_is_left(run_helm: Helm, tmp_path: Path) -> None:
    values = CHART.parents[1] / "values" / "ddp-check.yaml"
    kept = ["--set", "storage.cache.keep=false,storage.outputs.keep=false"]
    for claims, expected in (((), {"Job": 1}), (("x-outputs",), {"PersistentVolumeClaim": 2, "Job": 2})):
        with cluster({}, tmp_path / "kubeconfig", claims=claims):
            done = on_the_cluster(run_helm, values, tmp_path, 4, kept)
        assert done.returncode == 0, done.stderr
        kinds = [manifest["kind"] for manifest in yaml.safe_load_all(done.stdout) if manifest]
        assert {kind: kinds.count(kind) for kind in kinds} == expected


def rendered(
    run_helm: Helm, values: Path, folder: Path, major: int, live: dict[str, Job], options: list[str] | None = None
) -> dict[str, Job]:
    """Return the Jobs that an upgrade renders if the Jobs `live` exist; both by component."""
    first = by_component(run_helm("template", "x", CHART, "-f", values, *(options or []), major=major))
    jobs = {first[component]["metadata"]["name"]: job for component, job in live.items()}
    with cluster(jobs, folder / "kubeconfig"):
        return by_component(on_the_cluster(run_helm, values, folder, major, options or []))


def by_component(done: subprocess.CompletedProcess[str]) -> dict[str, Job]:
    assert done.returncode == 0, done.stderr
    return {
        m["metadata"]["labels"]["app.kubernetes.io/component"]: m
        for m in yaml.safe_load_all(done.stdout)
        if m and m["kind"] == "Job"
    }
