"""Fetching a hub dataset with ms-swift's own loader, from a small hub on this machine."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from vlm_sft.cluster.fetch_data import fetch_data

COMMIT = "4f2c1d0e9b8a7f6e5d4c3b2a190807f6e5d4c3b2"
FILE = "data/train-00000-of-00001.parquet"
ROWS = 30
# Prints what the trainer reads from two lists of datasets, each with its pictures' bytes: must be equal.
PROBE = """
import json, sys
from hashlib import sha256
from swift.dataset import load_dataset
from swift.template.vision_utils import load_file
def digest(image):
    try:
        return sha256(image["bytes"] or load_file(image["path"]).getvalue()).hexdigest()
    except OSError:
        return image["path"]
def read(names):
    rows, _ = load_dataset(names, split_dataset_ratio=0.0, shuffle=True, seed=42, use_hf=True)
    return [[row["messages"], [digest(image) for image in row["images"] or []]] for row in rows]
print("RESULT " + json.dumps([read(names) for names in json.loads(sys.argv[1])]))
"""


def png(width: int) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((width, 32), 60).convert("RGB").save(file, "PNG")
    return file.getvalue()


def parquet(endpoint: str) -> bytes:
    """Return LLaVA's form as the hub stores it: row 0 has no picture, rows 1 and 2 have a URL, row 11 has no text."""
    pictures = [{"bytes": png(32 + n), "path": f"{n}.png"} if n % 3 else None for n in range(ROWS)]
    pictures[1:3] = [{"bytes": None, "path": f"{endpoint}/lab/data/{name}.png"} for name in ("picture", "none")]
    said = [
        [{"from": "human", "value": f"{'<image>' if n % 3 else ''}q{n}"}, {"from": "gpt", "value": f"a{n}"}]
        for n in range(ROWS)
    ]
    said[11] = []
    table = pa.table({"image": pictures, "conversations": said, "licence": ["cc"] * ROWS})
    text = {"dtype": "string", "_type": "Value"}
    features = {
        "image": {"_type": "Image"},
        "conversations": [{"from": text, "value": text}],
        "licence": text,
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file)
    return file.getvalue()


class Hub(BaseHTTPRequestHandler):
    """Holds one dataset of one file, lab/data, and one picture."""

    content = b""
    picture = png(100)

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        file = {"type": "file", "path": FILE, "size": len(self.content), "oid": "a" * 40}
        if "lab/data" not in path:
            self._send(404, b"", "RepoNotFound")
        elif "/paths-info/" in path:
            folder = {"type": "directory", "path": "data", "oid": "b" * 40}
            asked = parse_qs(body)["paths"]
            self._send(200, json.dumps([one for one in (file, folder) if one["path"] in asked]).encode())
        elif "/tree/" in path:
            self._send(200, json.dumps([file]).encode())
        elif path.startswith("/api/datasets/"):
            info = {"id": "lab/data", "sha": COMMIT, "private": False, "siblings": [{"rfilename": FILE}]}
            self._send(200, json.dumps(info).encode())
        elif path.endswith("/picture.png"):
            self._send(200, self.picture)
        elif path.endswith(FILE):
            self._send(200, self.content)
        else:
            self._send(404, b"", "EntryNotFound")

    def _send(self, status: int, body: bytes, error: str = "") -> None:
        self.send_response(status)
        headers = {"ETag": '"x"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}
        for name, value in (headers | ({"X-Error-Code": error} if error else {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    Hub.content = parquet(endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield endpoint
    server.shutdown()
    server.server_close()


def run(command: list[str | Path], home: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    hub = {"HF_HOME": str(home / "hf"), "MODELSCOPE_CACHE": str(home / "ms"), "HF_ENDPOINT": endpoint}
    env = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | hub
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def fetch(dataset: str, home: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "vlm-sft"
    return run([program, "fetch-data", dataset, "--output-dir", home / "out"], home, endpoint)


@pytest.fixture(scope="module")
def home(hub: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a finished download in `out`."""
    home = tmp_path_factory.mktemp("home")
    ended = fetch("lab/data", home, hub)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout == f"{home}/out/data.parquet: 29 rows, 1 left out by ms-swift\n"
    assert ended.stderr.endswith("warning: 1 pictures could not be fetched\n")
    return home


def test_the_file_stands_beside_its_pictures_and_nothing_else(home: Path) -> None:
    out = home / "out"
    assert {path.name for path in out.iterdir()} == {"data.parquet", "stats.json", "images", ".lock"}
    assert len(list(out.glob("images/??/*.png"))) == 18  # two of three rows, without rows 2 and 11
    size = (out / "data.parquet").stat().st_size
    assert json.loads((out / "stats.json").read_bytes()) == {
        "files": {"data.parquet": {"bytes": size, "lines": 29}},
        "dataset": "lab/data",
        "arguments": {},
        "rows": 29,
        "left_out": 1,
        "images_not_fetched": 1,
    }


def test_the_trainer_reads_the_same_rows_in_the_same_order_from_file_and_hub(home: Path, hub: str) -> None:
    file = str(home / "out" / "data.parquet")
    pairs = [(["lab/data"], [file]), (["lab/data#7", "lab/data#40"], [f"{file}#7", f"{file}#40"])]
    ended = run([sys.executable, "-c", PROBE, json.dumps([names for pair in pairs for names in pair])], home, hub)
    assert ended.returncode == 0, ended.stderr[-2000:]
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("RESULT ")]
    whole, of_file, sampled, sampled_of_file = json.loads(line.removeprefix("RESULT "))
    assert whole == of_file
    assert sampled == sampled_of_file
    assert (len(whole), len(sampled)) == (29, 47)


def test_a_finished_download_is_not_repeated_and_needs_no_hub(home: Path) -> None:
    before = (home / "out" / "data.parquet").stat().st_mtime_ns
    assert fetch("lab/data", home, "http://127.0.0.1:9").stdout.endswith(" 29 rows, 1 left out by ms-swift\n")
    assert (home / "out" / "data.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("dataset", "code", "message"),
    [
        ("lab/none", 42, "lab/none: Dataset 'lab/none' doesn't exist on the Hub or cannot be accessed."),
        ("lab/data:other", 42, "lab/data:other: BuilderConfig 'other' not found. Available: ['default']"),
    ],
)
def test_a_permanent_error_is_not_retried(hub: str, tmp_path: Path, dataset: str, code: int, message: str) -> None:
    ended = fetch(dataset, tmp_path, hub)
    assert ended.returncode == code, ended.stderr[-2000:]
    assert f"error: {message}" in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / "stats.json").exists()


def test_a_hub_out_of_reach_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")  # as without a network, but without a minute of retries
    ended = fetch("lab/data", tmp_path, "http://127.0.0.1:9")
    assert ended.returncode == 1, ended.stderr[-2000:]
    assert ended.stderr.splitlines()[-1].startswith("error: lab/data: ")
    assert ended.stderr.endswith("; is the hub reachable from this pod?\n")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab/data#500"], "leave #N out, and write it behind the file's path in train.dataset: ms-swift samples."),
        (["lab/data", "--arguments", "{"], "not JSON: "),
        (["lab/data", "--arguments", '{"seed": 1}'], "got seed, need an object with keys of: columns, "),
    ],
)
def test_a_wrong_option_is_reported(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(fetch_data, [*arguments, "--output-dir", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert message in result.output
