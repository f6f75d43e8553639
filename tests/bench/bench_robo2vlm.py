"""CPU seconds of `vlm-sft prepare robo2vlm` on a synthetic shard; the floor is bare pyarrow reading + Pillow decoding.

    python tests/bench/bench_robo2vlm.py                300 rows, pictures of 640 x 480 in 150 kB; goal 1.2 x the floor

The floor reads every row and decodes its picture to RGB, as training does. The command also hashes each picture and
writes it to a file. One process each, because the floor uses one core.
"""

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image
from pyarrow import parquet

GOAL = 1.2
SIZE = (640, 480)
GROUP_ROWS = 100  # as `datasets` writes a data set with images
CHOICES = "['Up', 'Down', 'Left', 'Right', \"None of the above, it's done\"]"
FLOOR = """
import io, sys
from PIL import Image
from pyarrow import parquet
for batch in parquet.ParquetFile(sys.argv[1]).iter_batches(100):
    for row in batch.to_pylist():
        Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
"""
PREPARE = ["-m", "vlm_sft", "prepare", "robo2vlm", "--workers", "1", "--force", "--splits", "train"]


def picture(kind: str, rng: random.Random) -> bytes:
    """Return a smooth picture with some noise, which compresses to about 150 kB."""
    scene = Image.frombytes("RGB", (16, 12), rng.randbytes(16 * 12 * 3)).resize(SIZE, Image.Resampling.BICUBIC)
    share, step = (0.2, 1) if kind == "JPEG" else (0.1, 32)
    noise = Image.frombytes("RGB", SIZE, rng.randbytes(SIZE[0] * SIZE[1] * 3))
    image = Image.blend(scene, noise, share).point([value // step * step for value in range(256)] * 3)
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 88} if kind == "JPEG" else {}))
    return file.getvalue()


def rows(kind: str, count: int) -> Iterator[dict[str, object]]:
    """Yield rows as those of keplerccc/Robo2VLM-1."""
    rng = random.Random(0)
    for number in range(count):
        image = {"bytes": picture(kind, rng), "path": None}
        texts = {"id": f"droid_{number}_q1", "question": "Which way?", "choices": CHOICES}
        yield texts | {"correct_answer": 1, "image": image}


def cpu_s(arguments: Sequence[str]) -> float:
    """Return the CPU seconds, user + system, of one Python process."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Write a shard of each kind of picture, run both twice, print the best runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    options = parser.parse_args()
    failed = False
    for kind in ("JPEG", "PNG"):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "train-00000-of-00001.parquet")
            parquet.write_table(pa.Table.from_pylist(list(rows(kind, options.rows))), source, row_group_size=GROUP_ROWS)
            floor = min(cpu_s(["-c", FLOOR, str(source)]) for _ in range(2))
            runs = []
            for number in range(2):  # a folder each, because verified pictures are not decoded again
                given = ["--input", str(source), "--output-dir", str(Path(folder, str(number)))]
                started = time.monotonic()
                runs.append(cpu_s([*PREPARE, *given]))
                wall = time.monotonic() - started
            best, size = min(runs), source.stat().st_size
        ratio = best / floor
        failed |= ratio > GOAL
        print(
            f"{kind}: {options.rows} rows, {size / options.rows / 1e3:.0f} kB each: {best:.2f} s CPU "
            f"({wall:.1f} s wall), floor {floor:.2f} s, ratio {ratio:.2f}, goal {GOAL}"
        )
    sys.exit(failed)


if __name__ == "__main__":
    main()
