"""Releasing a held Job through a loopback API server with a certificate of its own."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from local_jobs import loopback_certificate
from vlm_sft.cluster import release as module
from vlm_sft.cluster.release import release
from vlm_sft.train.cli import train


class Api:
    """A loopback stand-in for the Kubernetes API: answers with the given statuses, remembers what it was sent."""

    def __init__(self, folder: Path) -> None:
        self.statuses: list[int] = []
        self.requests: list[tuple[str, str, str | None, object]] = []
        folder.mkdir()
        context = loopback_certificate(folder)
        (folder / "token").write_text("secret-of-this-test\n")
        (folder / "namespace").write_text("lab")
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.requests.append((self.path, self.headers["Content-Type"], self.headers["Authorization"], body))
                self.send_response(api.statuses.pop(0) if api.statuses else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    served = Api(tmp_path / "account")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(served.server.server_address[1]))
    monkeypatch.setenv("VLM_SFT_SERVICE_ACCOUNT_DIR", str(tmp_path / "account"))
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_one_patch_releases_the_job(api: Api) -> None:
    ended = CliRunner().invoke(release, ["job/fire-bc-train-1234abcd"])
    assert (ended.exit_code, ended.stderr) == (0, "job/fire-bc-train-1234abcd: released\n")
    assert api.requests == [
        (
            "/apis/batch/v1/namespaces/lab/jobs/fire-bc-train-1234abcd",
            "application/merge-patch+json",
            "Bearer secret-of-this-test",
            {"spec": {"suspend": False}},
        )
    ]


def test_a_finished_run_whose_pod_died_before_the_release_is_released_by_the_next_pod(api: Api, tmp_path: Path) -> None:
    (tmp_path / "run_report.json").write_text('{"status": "finished", "steps": 12}')
    (tmp_path / "train.yaml").write_text(f"output_dir: {tmp_path}")
    for _ in range(2):  # and again, when the pod dies after it
        ended = CliRunner().invoke(train, [str(tmp_path / "train.yaml"), "--then-release", "job/fire-bc-evaluate"])
        assert (ended.exit_code, ended.stderr.splitlines()) == (
            0,
            [f"{tmp_path}: already finished at step 12; nothing to do", "job/fire-bc-evaluate: released"],
        )
    assert [path.rpartition("/")[2] for path, *_ in api.requests] == ["fire-bc-evaluate"] * 2


def test_an_api_that_is_busy_is_asked_again(api: Api) -> None:
    api.statuses = [503, 429]
    assert CliRunner().invoke(release, ["job/x"]).exit_code == 0
    assert len(api.requests) == 3


@pytest.mark.parametrize(("status", "text"), [(403, "403 Forbidden"), (404, "404 Not Found")])
def test_a_refusal_is_told_once_with_the_way_out(api: Api, status: int, text: str) -> None:
    api.statuses = [status]
    ended = CliRunner().invoke(release, ["job/x"])
    assert ended.exit_code == 1
    assert ended.stderr == (
        f"error: job/x: the Kubernetes API answers {text}; release it by hand: "
        """kubectl patch job x --type merge -p '{"spec":{"suspend":false}}'\n"""
    )
    assert len(api.requests) == 1


def test_an_api_that_never_answers_ends_after_a_bounded_time(api: Api) -> None:
    api.statuses = [500] * 20
    ended = CliRunner().invoke(release, ["job/x"])
    assert ended.exit_code == 1
    assert "did not take it in 6 tries (500 Internal Server Error)" in ended.stderr
    assert len(api.requests) == 6


def test_a_server_with_another_certificate_is_not_trusted(api: Api, tmp_path: Path) -> None:
    loopback_certificate(tmp_path / "account")  # another authority than the one that the server began with
    ended = CliRunner().invoke(release, ["job/x"])
    assert ended.exit_code == 1
    assert "certificate verify failed" in ended.stderr
    assert api.requests == []


def test_outside_a_cluster_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLM_SFT_SERVICE_ACCOUNT_DIR", str(tmp_path))
    ended = CliRunner().invoke(release, ["job/x"])
    assert ended.exit_code == 1
    assert f"{tmp_path}/token: No such file or directory; this is no pod of the chart" in ended.stderr
