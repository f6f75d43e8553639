"""--input: a folder, a file, or a dataset on the hub. Each split finds its file and identifies its content."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from vlm_sft.datasets.fire import FIRE
from vlm_sft.datasets.readers.source import SplitInput, locate
from vlm_sft.errors import UserError

COMMIT = "4f2c1d0e9b8a7f6e5d4c3b2a190807f6e5d4c3b2"
FILES = ("FIRE-train-100K.json", "FIRE-test.json")
CONTENT = b'[{"id": 1}]'


def split_file(split: str, path: Path) -> SplitInput:
    content = path.read_bytes()
    identity = {"file": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return SplitInput(split, (path,), identity)


def touch(path: Path) -> Path:
    path.write_bytes(CONTENT)
    return path


def test_a_folder_has_a_file_for_each_split(tmp_path: Path) -> None:
    train, test = touch(tmp_path / "FIRE-train-100K.json"), touch(tmp_path / "FIRE-test.json")
    big = touch(tmp_path / "fire_1m_dataset.json")
    assert locate(FIRE, str(tmp_path), None) == [split_file("train", train), split_file("test", test)]
    assert locate(FIRE, str(tmp_path), ("1m",)) == [split_file("1m", big)]


def test_the_newest_file_name_has_priority(tmp_path: Path) -> None:
    touch(tmp_path / "FIRE_1M.json")
    newest = touch(tmp_path / "FIRE-1M.json")
    assert locate(FIRE, str(tmp_path), ("1m",)) == [split_file("1m", newest)]


def test_a_folder_without_the_file_is_refused_and_its_files_are_listed(tmp_path: Path) -> None:
    touch(tmp_path / "FIRE-train-100K.json")
    with pytest.raises(UserError) as raised:
        locate(FIRE, str(tmp_path), None)
    assert raised.value.message == (
        f"--input: {tmp_path}: no file for the split test (need FIRE-test.json, found FIRE-train-100K.json); "
        "leave this split out of --splits, or give the file itself"
    )


@pytest.mark.parametrize(
    ("name", "splits", "split"),
    [
        ("FIRE-test.json", None, "test"),
        ("FIRE-1M.json", None, "1m"),
        ("mine.jsonl", None, "train"),
        ("mine.jsonl", ("test",), "test"),
    ],
)
def test_the_split_of_a_file_comes_from_the_option_or_its_name(
    name: str, splits: tuple[str, ...] | None, split: str, tmp_path: Path
) -> None:
    path = touch(tmp_path / name)
    assert locate(FIRE, str(path), splits) == [split_file(split, path)]


def test_one_file_cannot_be_two_splits(tmp_path: Path) -> None:
    path = touch(tmp_path / "mine.json")
    with pytest.raises(UserError) as raised:
        locate(FIRE, str(path), ("train", "test"))
    assert raised.value.message == (
        f"--input: {path} is one file and --splits names 2: train, test; name one split, or give the folder"
    )


@pytest.mark.parametrize("source", ["/no/such/folder", "./a/b/c", "word"])
def test_an_unknown_source_is_refused(source: str) -> None:
    with pytest.raises(UserError) as raised:
        locate(FIRE, source, None)
    assert raised.value.message == (
        f"--input: {source}: no such file or folder, and not a hub id such as PengxiangLi/FIRE"
    )


# --- the hub: a local server, used by the real huggingface_hub in a separate process


class Hub(BaseHTTPRequestHandler):
    """A dataset org/fire with the two usual files at branch main, commit COMMIT; everything else is unknown."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0].removeprefix("/api").removeprefix("/datasets/org/fire/")
        path = re.sub("^(resolve|revision|tree)/", "", path)
        revision, _, name = path.partition("/")
        if "org/fire" not in self.path:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self.send_response(404)
            self.send_header("X-Error-Code", "RevisionNotFound")
        elif self.path.startswith("/api"):
            files = [{"type": "file", "path": name, "oid": "0", "size": len(CONTENT)} for name in ("README.md", *FILES)]
            facts = files if "/tree/" in self.path else {"id": "org/fire", "sha": COMMIT}
            self._send(json.dumps(facts).encode(), with_body=with_body)
            return
        elif name not in FILES:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self._send(CONTENT, with_body=with_body)
            return
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", '"tag"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


LOCATE = """
import sys
from vlm_sft.errors import UserError
from vlm_sft.datasets.fire import FIRE
from vlm_sft.datasets.readers.source import locate
try:
    for found in locate(FIRE, sys.argv[1], sys.argv[2:] or None):
        print(found.split, found.files[0].read_text(), found.identity)
except UserError as error:
    print("UserError", error.message)
"""


def run_locate(home: Path, endpoint: str, *arguments: str, offline: bool = False) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_HOME": str(home),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
    command = [sys.executable, "-c", LOCATE, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_hub_id_is_downloaded_once_and_identified_by_its_commit(hub: str, tmp_path: Path) -> None:
    expected = [
        f"train {CONTENT.decode()} {{'file': 'FIRE-train-100K.json', 'dataset': 'org/fire', 'commit': '{COMMIT}'}}",
        f"test {CONTENT.decode()} {{'file': 'FIRE-test.json', 'dataset': 'org/fire', 'commit': '{COMMIT}'}}",
    ]
    assert run_locate(tmp_path, hub, "org/fire@main") == expected
    assert run_locate(tmp_path, hub, "org/fire", offline=True) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["org/fire@v9"], "org/fire has no revision v9; name a branch, a tag or a commit"),
        (
            ["org/nothing"],
            "org/nothing: no such file or folder, and no such dataset on the hub; check the name, "
            "or set HF_TOKEN if it is private or gated",
        ),
        (["org/fire", "1m"], "org/fire has no file FIRE-1M.json; see --splits"),
        (["a--b/c"], "a--b/c: Cannot have -- or .. in repo_id: 'a--b/c'."),
    ],
)
def test_what_the_hub_lacks_is_reported_in_one_line(
    arguments: list[str], message: str, hub: str, tmp_path: Path
) -> None:
    assert run_locate(tmp_path, hub, *arguments) == [f"UserError --input: {message}"]


def test_an_unreachable_hub_is_reported_with_ways_out(tmp_path: Path) -> None:
    (line,) = run_locate(tmp_path, "http://127.0.0.1:9", "org/fire", offline=True)
    assert line == (
        "UserError --input: org/fire is not in the cache and the hub cannot be reached "
        "(HF_HUB_OFFLINE, network, HF_ENDPOINT?); download it once, or give a local path"
    )
