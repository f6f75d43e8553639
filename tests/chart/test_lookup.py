"""`suspend` after an upgrade, seen against an API server on this machine that knows the live Jobs."""

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

CHART = Path(__file__).parents[2] / "charts" / "vlm-sft"
KINDS = {
    "v1": ["ConfigMap", "PersistentVolumeClaim", "Pod", "Service", "ServiceAccount"],
    "batch/v1": ["Job"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
}


def discovery() -> dict[str, Any]:
    """Return what an API server says about itself, by path."""
    versions = {group: {"groupVersion": group, "version": "v1"} for group in KINDS if group != "v1"}
    groups = [
        {"name": group.partition("/")[0], "versions": [version], "preferredVersion": version}
        for group, version in versions.items()
    ]
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": groups},
    }
    for group, kinds in KINDS.items():
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
def cluster(jobs: dict[str, Job], kubeconfig: Path) -> Iterator[None]:
    """Serve these Jobs as the Kubernetes API does, and write the kubeconfig to reach it."""

    answers = discovery()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            folder, _, name = path.rpartition("/")
            found = answers.get(path)
            if folder == "/apis/batch/v1/namespaces/default/jobs" and name in jobs:
                found = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **OWNED}, **jobs[name]}
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
FINISHED: Job = {"spec": {}, "status": {"succeeded": 1, "completionTime": "2026-11-20T00:00:00Z"}}
FAILED: Job = {"spec": {}, "status": {"failed": 3}}


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
def test_an_upgrade_holds_nothing_that_runs(
    run_helm: Helm, everything: Path, tmp_path: Path, major: int, live: dict[str, Job], held: dict[str, bool]
) -> None:
    command = ["template", "x", CHART, "-f", everything]
    jobs = suspended(run_helm(*command, major=major))
    by_name = {name: live[component] for component, (name, _) in jobs.items() if component in live}
    kubeconfig = tmp_path / "kubeconfig"
    with cluster(by_name, kubeconfig):
        done = run_helm(
            *command,
            "--dry-run=server",
            "--disable-openapi-validation",
            major=major,
            env={"KUBECONFIG": str(kubeconfig)},
        )
    upgraded = suspended(done)
    assert {component: name for component, (name, _) in upgraded.items()} == {c: name for c, (name, _) in jobs.items()}
    assert {component: upgraded[component][1] for component in held} == held


def suspended(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, bool | None]]:
    """Return name and `suspend` of each Job by its component."""
    assert done.returncode == 0, done.stderr
    return {
        m["metadata"]["labels"]["app.kubernetes.io/component"]: (m["metadata"]["name"], m["spec"].get("suspend"))
        for m in yaml.safe_load_all(done.stdout)
        if m and m["kind"] == "Job"
    }
