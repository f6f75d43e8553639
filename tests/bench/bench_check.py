"""Time and memory of `vlm-sft check` on a synthetic JSONL file; the floor is reading and parsing it in one process.

    python tests/bench/bench_check.py                    1 GB, 2.1 kB a row; goal 60 s on two cores
    python tests/bench/bench_check.py --gigabytes 0.2

Then the same file with a second one of 1 % of its rows: exact and near duplicates between the two.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

PROGRAM = [sys.executable, "-c", "from vlm_sft.cli import main; main()"]
GOAL_S, CORES, GOAL_BYTES, GOAL_MIB = 60.0, 2, 1e9, 200.0
WORDS = [f"{start}{end}" for start in ("street", "window", "lamp", "green", "answer", "cat") for end in ("", "s", "ed")]
VALIDATION_SHARE = 0.01


def write(path: Path, size_bytes: float, validation: Path) -> int:
    """Write rows of a dialogue about an image until `size_bytes`; copy some to `validation`, changed or not."""
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=60)) for _ in range(10_000)]
    written = rows = 0
    with path.open("wb") as file, validation.open("wb") as copies:
        while written < size_bytes:
            messages = [{"role": "user", "content": f"<image>\n{rows} {generator.choice(texts)}"}]
            for _ in range(generator.randint(1, 2)):
                messages.append({"role": "assistant", "content": generator.choice(texts), "loss": True})
                messages.append({"role": "user", "content": generator.choice(texts)})
            messages.append({"role": "assistant", "content": generator.choice(texts), "loss": True})
            row = {"id": str(rows), "messages": messages, "images": [f"/data/coco/{rows:012}.jpg"]}
            written += file.write(orjson.dumps(row) + b"\n")
            if rows % round(1 / VALIDATION_SHARE) == 0:
                messages[-1]["content"] += " changed" * (rows % 2)
                copies.write(orjson.dumps(row) + b"\n")
            rows += 1
    return rows


def measure(*files: Path) -> tuple[float, float]:
    """Run the command without images; return wall seconds and CPU seconds of all its processes."""
    before, started = os.times(), time.monotonic()
    command = [*PROGRAM, "check", "--skip-images", *map(str, files)]
    subprocess.run(command, check=len(files) == 1, capture_output=True)
    wall, after = time.monotonic() - started, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def floor(path: Path) -> float:
    """Return the CPU seconds of reading every line and parsing it with orjson."""
    started = time.process_time()
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)
    return time.process_time() - started


def main() -> None:
    """Write the files, run the command on one and on both, print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train, validation = Path(folder, "train.jsonl"), Path(folder, "val.jsonl")
        rows = write(train, options.gigabytes * 1e9, validation)
        size = train.stat().st_size
        wall, cpu = measure(train)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        both, both_cpu = measure(train, validation)
        parse = floor(train)
    print(f"file      {rows:,} rows, {size / 1e6:,.0f} MB")
    print(f"check     {wall:6.1f} s wall, {cpu:.1f} s CPU of all processes")
    print(
        f"speed     {CORES * size / 1e6 / cpu:6.0f} MB/s on two free cores; goal {GOAL_BYTES / 1e6 / GOAL_S:.0f} MB/s"
    )
    print(f"two files {both:6.1f} s wall, {both_cpu:.1f} s CPU, with rows that nearly stand in both")
    print(f"memory    {peak:6.0f} MiB, the largest process, goal {GOAL_MIB:.0f} MiB")
    print(f"floor     {parse:6.1f} s CPU to read and parse in one process; check takes {cpu / parse:.1f} times as much")
    if cpu / CORES * GOAL_BYTES / size > GOAL_S or peak > GOAL_MIB:  # wall includes other programs of the machine
        sys.exit(f"missed: {GOAL_S:.0f} s for 1 GB on {CORES} cores, {GOAL_MIB:.0f} MiB")


if __name__ == "__main__":
    main()
