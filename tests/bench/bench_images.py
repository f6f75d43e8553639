"""`vlm-sft images fire` on a loopback server with latency, compared with sequential range requests.

    python tests/bench/bench_images.py                               300 images of 40 kB, a third of the archive
    python tests/bench/bench_images.py --latency-ms 100 --images 600

The floor is the best case of a loop over `zipfile` and range requests: the directory is known, one connection stays
open, one request per image, bytes are written unchecked. Only the ratios are meaningful: a loopback server has no
bandwidth limit, and both programs share the cores of this machine.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "images" / "remote"))
from range_server import RangeServer

GOAL_SPEED_UP = 6.0  # times the floor, with 16 connections; 8 to 19 measured on two shared cores
GOAL_REQUESTS_PER_IMAGE = 1.05
GAPS = {
    "distant": 400_000,
    "close": 100_000,
}  # bytes between two wanted images; zip_span reads across gaps up to 256 KiB
PROGRAM = [sys.executable, "-c", "from vlm_sft.cli import main; main()"]


@dataclass(frozen=True)
class Measured:
    """Time and requests to fetch all images."""

    seconds: float
    requests: int


def write_archive(path: Path, image: bytes, count: int, gap_bytes: int) -> None:
    """Write `count` images with `gap_bytes` of other data after each."""
    filler = os.urandom(gap_bytes)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"train2017/{number:012d}.jpg", image)
            archive.writestr(f"other/{number}", filler)


def photograph() -> bytes:
    """Return a JPEG of about 40 kB."""
    with tempfile.TemporaryFile() as file:
        Image.effect_noise((320, 240), 50).convert("RGB").save(file, format="JPEG", quality=90)
        file.seek(0)
        return file.read()


def one_by_one(url: str, archive: Path, out: Path) -> Measured:
    """Measure the floor."""
    with zipfile.ZipFile(archive) as opened:
        wanted = [info for info in opened.infolist() if info.filename.startswith("train2017/")]
    parts = urlsplit(url)
    started = time.monotonic()
    connection = http.client.HTTPConnection(parts.netloc)
    for info in wanted:
        end = info.header_offset + 30 + len(info.filename) + info.compress_size
        connection.request("GET", parts.path, headers={"Range": f"bytes={info.header_offset}-{end - 1}"})
        (out / Path(info.filename).name).write_bytes(connection.getresponse().read())
    return Measured(time.monotonic() - started, len(wanted))


def arguments(url: str, folder: Path, count: int) -> list[str | Path]:
    """Write the command's input; return the arguments that fetch all images below `folder`/images."""
    rule = {"path": r"coco/(train2017/.+)", "members": [r"\1"], "archives": ["a"]}
    table = {"archives": {"a": {"url": url, "confidence": "high"}}, "rules": [rule]}
    (folder / "table.yaml").write_text(yaml.safe_dump(table))
    turns = [{"role": "student", "value": "Answer: a"}]
    rows = [
        {"image": f"coco/train2017/{number:012d}.jpg", "question": "q?", "conversations": turns}
        for number in range(count)
    ]
    (folder / "FIRE-train-100K.json").write_text(json.dumps(rows))
    given = ["--input", folder / "FIRE-train-100K.json", "--archives", folder / "table.yaml"]
    return ["images", "fire", *given, "--image-root", folder / "images"]


def with_the_command(url: str, server: RangeServer, folder: Path, count: int) -> Measured:
    """Run the command in its own process; start-up and reading the directory are included."""
    given = arguments(url, folder, count)
    before, started = len(server.requests), time.monotonic()
    subprocess.run([*PROGRAM, *given], check=True, capture_output=True)
    return Measured(time.monotonic() - started, len(server.requests) - before)


def main() -> None:
    """Measure with distant and close images; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--latency-ms", type=float, default=60.0, help="before each answer, like a distant hub")
    options = parser.parse_args()
    image, missed = photograph(), False
    for name, gap_bytes in GAPS.items():
        with tempfile.TemporaryDirectory() as place, RangeServer(options.latency_ms / 1000) as server:
            folder = Path(place)
            (folder / "floor").mkdir()
            write_archive(folder / "a.zip", image, options.images, gap_bytes)
            server.files["/a.zip"] = (folder / "a.zip").read_bytes()
            url = f"{server.root}/a.zip"
            floor = one_by_one(url, folder / "a.zip", folder / "floor")
            ours = with_the_command(url, server, folder, options.images)
        speed_up, per_image = floor.seconds / ours.seconds, ours.requests / options.images
        missed |= speed_up < GOAL_SPEED_UP or per_image > GOAL_REQUESTS_PER_IMAGE
        print(
            f"{name} images, {options.latency_ms:.0f} ms: sequential {options.images / floor.seconds:.1f} images/s, "
            f"the command {options.images / ours.seconds:.1f} images/s, {speed_up:.1f} times faster "
            f"(goal {GOAL_SPEED_UP:.0f}); {per_image:.2f} requests per image"
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
