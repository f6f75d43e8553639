"""Downloading a model with the real huggingface_hub, from a small hub on this machine."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "4f2c1d0e9b8a7f6e5d4c3b2a190807f6e5d4c3b2"
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same, older",
    "a.md": b"text",
}
REFUSED = {"lab/gated": (403, "GatedRepo"), "lab/none": (404, "RepoNotFound")}


class Hub(BaseHTTPRequestHandler):
    """Answers the few calls that a download makes; a huge model is one with huge sizes in its list of files."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        for name, (status, code) in REFUSED.items():
            if name in path:
                self._send(status, b"", {"X-Error-Code": code})
                return
        if path.startswith("/api/models/"):
            size = 1 << 60 if "lab/huge" in path else 9
            if "/tree/" in path:
                tree = [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in FILES.items()]
                self._send(200, json.dumps(tree).encode(), {})
                return
            siblings = [{"rfilename": name, "size": size} for name in FILES]
            self._send(200, json.dumps({"id": "lab/model", "sha": COMMIT, "siblings": siblings}).encode(), {})
            return
        content = FILES[path.rpartition("/")[2]]
        headers = {"ETag": f'"{path.rpartition("/")[2]}"', "X-Repo-Commit": COMMIT}
        self._send(200, content, headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body and self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def fetch(model: str, home: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint}
    command = [Path(sys.executable).parent / "vlm-sft", "fetch", model]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_a_model_is_downloaded_once_and_without_its_legacy_weights(hub: str, tmp_path: Path) -> None:
    ended = fetch("lab/model", tmp_path, hub)
    assert ended.returncode == 0, ended.stderr
    folder = Path(ended.stdout.strip())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "config.json": b"{}",
        "model.safetensors": b"weights",
    }
    assert fetch("lab/model", tmp_path, hub).stdout == ended.stdout


@pytest.mark.parametrize(
    ("model", "code", "message"),
    [
        ("lab/gated", 42, "lab/gated: gated, and the token has no access; accept the licence on its page, and put a "
         "token of that account into the secret that huggingFace.tokenSecret names"),
        ("lab/none", 42, "lab/none: no such model, or a private one without access; correct model.id"),
    ],
)  # fmt: skip
def test_a_permanent_error_is_not_retried(hub: str, tmp_path: Path, model: str, code: int, message: str) -> None:
    ended = fetch(model, tmp_path, hub)
    assert (ended.returncode, ended.stderr) == (code, f"error: {message}\n")


def test_a_model_that_cannot_fit_is_refused_before_its_first_byte(hub: str, tmp_path: Path) -> None:
    ended = fetch("lab/huge", tmp_path, hub)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: lab/huge: 2147483648.0 GiB to download, ")
    assert "enlarge storage.cache.size" in ended.stderr
    assert not list((tmp_path / "hf").rglob("*.safetensors"))


def test_an_unreachable_hub_is_reported_in_one_line(tmp_path: Path) -> None:
    ended = fetch("lab/model", tmp_path, "http://127.0.0.1:9")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: lab/model: ")
    assert "Traceback" not in ended.stderr
