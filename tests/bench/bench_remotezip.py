"""`vlm-sft images fire` compared with `remotezip` alone: 1,000 images of a large archive on a distant server.

    python tests/bench/bench_remotezip.py

Both run in their own process with 16 connections; start-up and reading the directory are included. Both check the
checksums; the command also decodes every image. `documented` and `shared` are explained in `remotezip_loop.py`.

Measured on two busy cores, 60 ms:
    20,000 members   ours  7.2 s,   904 requests, 64 MiB; documented  7.6 s, 1,034,  90 MiB; shared 5.5 s, 1,002, 53 MiB
    118,287 members  ours 11.4 s,   982 requests, 62 MiB; documented 23.5 s, 1,034, 210 MiB; shared 6.8 s, 1,002, 60 MiB
    memory           ours 78 and 145 MiB; documented 251 and 1,500 MiB; shared 43 and 125 MiB
`shared` needs the trick of a second, empty directory. Hence only the directory is read by the library: neighbouring
images share a request, and every request is retried.
"""

import argparse
import mmap
import random
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_images import arguments, photograph
from range_server import RangeServer, byte_range  # bench_images adds its folder

ARCHIVES = {"20,000 members, ZIP64": 20_000, "118,287 members, as COCO's train2017.zip": 118_287}
MEMBER_BYTES = 250_000  # on average: the archive exceeds 4 GiB, so that it is ZIP64
CONNECTIONS = 16  # the command's default
COMMAND = "from vlm_sft.cli import main; main()"
LIBRARY = "from remotezip_loop import main; main()"
# The kernel counts the memory of the parent into the child's ru_maxrss, but not into VmHWM.
PRINT_PEAK = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: sys.stderr.write(Path("/proc/self/status").read_text()))
"""


@dataclass(frozen=True)
class Measured:
    """One run of a program."""

    seconds: float
    requests: int
    mib: float  # read from the server
    peak_mib: float  # of resident memory


def write_archive(path: Path, image: bytes, count: int, members: int) -> None:
    """Write `count` copies of the image among `members`, at random; the other members exist in the directory only."""
    places = set(random.Random(0).sample(range(members), count))
    names = (f"train2017/{number:012d}.jpg" for number in range(count))
    with zipfile.ZipFile(path, "w") as archive:
        for place in range(members):
            if place in places:
                archive.writestr(next(names), image)
                continue
            other = zipfile.ZipInfo(f"other/{place:07d}.jpg")
            other.header_offset, other.CRC = archive.start_dir, 0
            archive.filelist.append(other)
            archive.start_dir += MEMBER_BYTES  # a hole in the file


def measure(program: str, given: Sequence[str | Path], server: RangeServer) -> Measured:
    """Run a program in its own process."""
    before, started = len(server.requests), time.monotonic()
    command = [sys.executable, "-c", PRINT_PEAK + program, *given]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    if done.returncode:
        sys.exit(done.stderr)
    seconds, requests = time.monotonic() - started, server.requests[before:]
    ranges = [byte_range(header, len(server.files[path])) for path, header, _ in requests]
    read = sum(end - start for start, end in filter(None, ranges))
    peak_kib = int(re.findall(r"VmHWM:\s*(\d+)", done.stderr)[-1])
    return Measured(seconds, len(requests), read / 2**20, peak_kib / 1024)


def compare(members: int, folder: Path, server: RangeServer, count: int, runs: int) -> dict[str, Measured]:
    """Return the fastest run of each program; the runs alternate."""
    image, archive, url = photograph(), folder / "a.zip", f"{server.root}/a.zip"
    write_archive(archive, image, count, members)
    with archive.open("rb") as file:
        server.files["/a.zip"] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    measured = defaultdict(list)
    for _ in range(runs):
        for name in ("vlm-sft", "documented", "shared"):
            with tempfile.TemporaryDirectory() as out:
                if name == "vlm-sft":
                    given = measure(COMMAND, arguments(url, Path(out), count), server)
                else:
                    given = measure(LIBRARY, [name, url, "train2017/", out, str(CONNECTIONS)], server)
                if [file.read_bytes() for file in Path(out).rglob("*.jpg")] != [image] * count:
                    sys.exit(f"{name}: images are missing or differ")
            measured[name].append(given)
    return {name: min(runs, key=lambda run: run.seconds) for name, runs in measured.items()}


def main() -> None:
    """Print the figures of each program; exit 1 when images are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=60.0, help="before each answer, like a distant hub")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    for name, members in ARCHIVES.items():
        with tempfile.TemporaryDirectory() as place, RangeServer(options.latency_ms / 1000) as server:
            measured = compare(members, Path(place), server, options.images, options.runs)
        print(f"{options.images} of {name}, {options.latency_ms:.0f} ms:")
        for program, run in measured.items():
            print(
                f"  {program:10} {run.seconds:5.1f} s ({run.seconds / measured['vlm-sft'].seconds:.2f} times ours), "
                f"{run.requests} requests, {run.mib:.0f} MiB read, {run.peak_mib:.0f} MiB of memory"
            )


if __name__ == "__main__":
    main()
