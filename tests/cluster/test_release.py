"""Releasing a held Job through a loopback API server with its own certificate."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from local_jobs import loopback_certificate
from vlm_sft.cluster import api as module
from vlm_sft.cluster.release import release, unhold
from vlm_sft.train.cli import train

Object = dict[str, Any]
BY_HAND = "release it by hand as `helm get notes` shows"
GATES = "kueue.x-k8s.io/admission-gated-by"
QUEUE = "kueue.x-k8s.io/queue-name"
JOB = "/apis/batch/v1/namespaces/lab/jobs/x"


class Cluster:
    """A loopback replacement of the Kubernetes API: objects by path, the next `statuses`, the received requests."""

    def __init__(self, folder: Path) -> None:
        self.objects: dict[str, Object] = {}
        self.statuses: list[int] = []
        self.requests: list[tuple[str, str, str | None, object]] = []
        self.lock, self.readers, self.barrier = threading.Lock(), 0, threading.Barrier(1)
        folder.mkdir()
        context = loopback_certificate(folder)
        (folder / "token").write_text("secret-of-this-test\n")
        (folder / "namespace").write_text("lab")
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with cluster.lock:
                    waits = cluster.readers > 0
                    cluster.readers -= waits
                self.answer(None, waits)

            def do_PATCH(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body: Any, waits: bool = False) -> None:
                assert self.headers["Authorization"] == "Bearer secret-of-this-test"
                cluster.requests.append((self.command, self.path, self.headers["Content-Type"], body))
                path, _, query = self.path.partition("?")
                status = cluster.statuses.pop(0) if cluster.statuses else 200 if path in cluster.objects else 404
                if status == 200 and body is not None:
                    assert query == "fieldManager=vlm-sft"
                    with cluster.lock:
                        status = cluster.change(cluster.objects[path], body)
                text = json.dumps(cluster.objects.get(path, {})).encode()
                if waits:
                    cluster.barrier.wait(60)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def meet(self, readers: int) -> None:
        """Let the first `readers` reads be answered only when all of them have arrived."""
        self.readers, self.barrier = readers, threading.Barrier(readers)

    def change(self, live: Object, patch: Any) -> int:
        """Apply a patch as the API server does: it records who changes a field as its manager."""
        metadata = live["metadata"]
        if isinstance(patch, list):
            version, entry = patch
            if version != {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}:
                return 422
            assert (entry["op"], entry["path"].rpartition("/")[0]) == ("remove", "/metadata/managedFields")
            del metadata["managedFields"][int(entry["path"].rpartition("/")[2])]
        else:
            merge(live, patch)
            metadata["managedFields"].append({"manager": "vlm-sft", "operation": "Update"})
            metadata["managedFields"].append({"manager": "kube-controller-manager", "operation": "Update"})
        metadata["resourceVersion"] += "1"
        return 200


def merge(live: Object, patch: Object) -> None:
    for name, value in patch.items():
        if isinstance(value, dict):
            merge(live.setdefault(name, {}), value)
        elif value is None:
            live.pop(name, None)
        else:
            live[name] = value


def held(labels: Object | None = None, annotations: Object | None = None, **spec: Any) -> Object:
    metadata = {"resourceVersion": "1", "managedFields": [{"manager": "helm", "operation": "Apply"}]}
    return {"metadata": {**metadata, "labels": labels or {}, "annotations": annotations or {}}, "spec": spec}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    served = Cluster(tmp_path / "account")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(served.server.server_address[1]))
    monkeypatch.setenv("VLM_SFT_SERVICE_ACCOUNT_DIR", str(tmp_path / "account"))
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    yield served
    served.server.shutdown()
    served.server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(release, arguments)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("job/x", JOB),
        ("jobset/x", "/apis/jobset.x-k8s.io/v1alpha2/namespaces/lab/jobsets/x"),
        ("trainjob/x", "/apis/trainer.kubeflow.org/v1alpha1/namespaces/lab/trainjobs/x"),
    ],
)
def test_a_suspended_job_is_released_and_its_field_has_no_owner(cluster: Cluster, target: str, path: str) -> None:
    cluster.objects[path] = live = held(suspend=True)
    ended = run(target)
    assert (ended.exit_code, ended.stderr) == (0, f"{target}: released\n")
    assert live["spec"] == {"suspend": False}
    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == ["helm", "kube-controller-manager"]
    assert cluster.requests == [
        ("GET", path, "application/json", None),
        ("PATCH", f"{path}?fieldManager=vlm-sft", "application/merge-patch+json", {"spec": {"suspend": False}}),
        (
            "PATCH",
            f"{path}?fieldManager=vlm-sft",
            "application/json-patch+json",
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": "11"},
                {"op": "remove", "path": "/metadata/managedFields/1"},
            ],
        ),
    ]


@pytest.mark.parametrize(
    ("live", "labels", "annotations", "suspended"),
    [
        (held({QUEUE: "q"}, {GATES: "vlm-sft/predecessor"}, suspend=True), {QUEUE: "q"}, {}, True),
        (
            held({QUEUE: "q"}, {GATES: "a.example/b,vlm-sft/predecessor"}, suspend=True),
            {QUEUE: "q"},
            {GATES: "a.example/b"},
            True,
        ),
        (
            held(None, {"vlm-sft/queue-name": "q", "vlm-sft/priority-class": "low"}, suspend=True),
            {QUEUE: "q", "kueue.x-k8s.io/priority-class": "low"},
            {"vlm-sft/queue-name": "q", "vlm-sft/priority-class": "low"},
            True,
        ),
    ],
    ids=["gate", "a gate next to another's", "late label"],
)
def test_a_job_that_kueue_starts_gets_its_queue_and_stays_suspended(
    cluster: Cluster, live: Object, labels: Object, annotations: Object, suspended: bool
) -> None:
    cluster.objects[JOB] = live
    assert run("job/x").exit_code == 0
    metadata = live["metadata"]
    assert (metadata["labels"], metadata["annotations"], live["spec"]["suspend"]) == (labels, annotations, suspended)


@pytest.mark.parametrize(
    "live", [held(), held(suspend=False), held({QUEUE: "q"}, {"vlm-sft/queue-name": "q"}, suspend=True)]
)
def test_a_job_that_is_not_held_is_left_unchanged(cluster: Cluster, live: Object) -> None:
    cluster.objects[JOB] = live
    ended = run("job/x")
    assert (ended.exit_code, ended.stderr) == (0, "job/x: is not held\n")
    assert [method for method, *_ in cluster.requests] == ["GET"]


@pytest.mark.parametrize("condition", ["Complete", "Completed"])
def test_after_a_complete_predecessor_it_is_released(cluster: Cluster, condition: str) -> None:
    cluster.objects[JOB] = live = held(suspend=True)
    cluster.objects["/apis/batch/v1/namespaces/lab/jobs/before"] = {
        "status": {
            "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": condition, "status": "True"}]
        }
    }
    assert run("job/x", "--after", "job/before").stderr == "job/x: released\n"
    assert live["spec"] == {"suspend": False}


@pytest.mark.parametrize(
    "before",
    [
        None,
        {},
        {"status": {"conditions": [{"type": "Failed", "status": "True"}, {"type": "Complete", "status": "False"}]}},
    ],
    ids=["deleted", "running", "failed"],
)
def test_after_an_unfinished_predecessor_it_stays_held(cluster: Cluster, before: Object | None) -> None:
    cluster.objects[JOB] = held(suspend=True)
    if before is not None:
        cluster.objects["/apis/batch/v1/namespaces/lab/jobs/before"] = before
    ended = run("job/x", "--after", "job/before")
    message = "job/x: stays held: job/before is not complete, and will release it when it is\n"
    assert (ended.exit_code, ended.stderr) == (0, message)
    assert [method for method, *_ in cluster.requests] == ["GET"]


def test_without_the_file_it_stays_held_and_nothing_is_asked(cluster: Cluster, tmp_path: Path) -> None:
    cluster.objects[JOB] = live = held(suspend=True)
    file = tmp_path / "stats.json"
    ended = run("job/x", "--when", str(file))
    message = f"job/x: stays held: {file} does not exist yet, and the pod that completes it releases\n"
    assert (ended.exit_code, ended.stderr, cluster.requests) == (0, message, [])
    file.write_text("{}")
    assert run("job/x", "--when", str(file)).stderr == "job/x: released\n"
    assert live["spec"] == {"suspend": False}


@pytest.mark.parametrize(
    "live",
    [
        held(suspend=True),
        held({QUEUE: "q"}, {GATES: "vlm-sft/predecessor"}, suspend=True),
        held(None, {"vlm-sft/queue-name": "q"}, suspend=True),
    ],
    ids=["suspended", "gate", "late label"],
)
def test_two_pods_that_finish_at_once_release_it_together(cluster: Cluster, tmp_path: Path, live: Object) -> None:
    cluster.objects[JOB] = live
    cluster.meet(2)  # both read the held Job before one of them changes it
    (tmp_path / "stats.json").write_text("{}")
    command = [sys.executable, "-c", "from vlm_sft.cli import main; main()", "release", "job/x"]
    command += ["--when", str(tmp_path / "stats.json")]
    pods = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(pod.communicate()[1], pod.returncode) for pod in pods] == [("job/x: released\n", 0)] * 2
    assert [method for method, *_ in cluster.requests][:2] == ["GET", "GET"]
    assert unhold(live) is None
    assert "vlm-sft" not in [entry["manager"] for entry in live["metadata"]["managedFields"]]


def test_a_finished_run_whose_pod_died_before_the_release_is_released_by_the_next_pod(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.objects[JOB] = live = held(suspend=True)
    (tmp_path / "run_report.json").write_text('{"status": "finished", "steps": 12}')
    (tmp_path / "train.yaml").write_text(f"output_dir: {tmp_path}")
    for message in ("job/x: released", "job/x: is not held"):  # and again, when the pod dies after it
        ended = CliRunner().invoke(train, [str(tmp_path / "train.yaml"), "--then-release", "job/x"])
        assert (ended.exit_code, ended.stderr.splitlines()) == (
            0,
            [f"{tmp_path}: already finished at step 12; nothing to do", message],
        )
    assert live["spec"] == {"suspend": False}


def test_a_busy_api_is_retried(cluster: Cluster) -> None:
    cluster.objects[JOB] = held(suspend=True)
    cluster.statuses = [503, 429]
    assert run("job/x").exit_code == 0
    assert len(cluster.requests) == 5


def test_an_object_that_changes_in_between_is_read_again(cluster: Cluster) -> None:
    cluster.objects[JOB] = live = held(suspend=True)
    cluster.statuses = [200, 200, 422]
    assert run("job/x").stderr == "job/x: released\n"
    assert [method for method, *_ in cluster.requests] == ["GET", "PATCH", "PATCH", "GET", "PATCH"]
    assert "vlm-sft" not in [entry["manager"] for entry in live["metadata"]["managedFields"]]


def test_a_field_that_stays_owned_does_not_fail_the_release(cluster: Cluster) -> None:
    cluster.objects[JOB] = held(suspend=True)
    cluster.statuses = [200, 200, 403]
    ended = run("job/x")
    assert ended.exit_code == 0
    assert ended.stderr == (
        "job/x: released\njob/x: the Kubernetes API answers 403 Forbidden; a rollback may need --force-conflicts\n"
    )


@pytest.mark.parametrize(("status", "text"), [(403, "403 Forbidden"), (404, "404 Not Found")])
def test_a_refusal_is_reported_without_a_retry(cluster: Cluster, status: int, text: str) -> None:
    cluster.statuses = [status]
    ended = run("job/x")
    assert ended.exit_code == 1
    assert ended.stderr == f"error: job/x: the Kubernetes API answers {text}; {BY_HAND}\n"
    assert len(cluster.requests) == 1


def test_an_api_that_keeps_failing_is_given_up_after_six_tries(cluster: Cluster) -> None:
    cluster.statuses = [500] * 20
    ended = run("job/x")
    assert ended.exit_code == 1
    assert "did not accept the request in 6 tries (500 Internal Server Error)" in ended.stderr
    assert len(cluster.requests) == 6


def test_a_server_with_another_certificate_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    loopback_certificate(tmp_path / "account")  # another authority than the running server's
    ended = run("job/x")
    assert ended.exit_code == 1
    assert "certificate verify failed" in ended.stderr
    assert cluster.requests == []


def test_outside_a_cluster_it_reports_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLM_SFT_SERVICE_ACCOUNT_DIR", str(tmp_path))
    ended = run("job/x")
    assert ended.exit_code == 1
    assert f"{tmp_path}/token: No such file or directory; run it in a pod of the chart; {BY_HAND}" in ended.stderr
