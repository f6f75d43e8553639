"""Time and memory of `vlm-sft prepare fire` on a synthetic file; the floor is a bare streaming read + a bare write.

    python tests/bench/bench_prepare.py                                     105,000 rows, 250 MB; goal 3 s, 150 MiB
    python tests/bench/bench_prepare.py --rows 1000000 --words 16           1.9 GB, as FIRE-1M; goal 150 MiB
    python tests/bench/bench_prepare.py --indent 4                          pretty printed, as by FIRE's own code

The floor reads every row with ijson's yajl2_c backend and writes the lines of the result with orjson, without
conversion. The script that this project replaces took 29 s and 3.0 GB for 105,000 rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ijson
import orjson
from make_fire import write

GOAL_S, GOAL_ROWS = 3.0, 105_000
GOAL_MIB = 150.0
PROGRAM = [sys.executable, "-c", "from vlm_sft.cli import main; main()"]


@dataclass(frozen=True)
class Measured:
    """One run. CPU is user + system of the process; wall includes waiting for other processes of the machine."""

    wall_s: float
    cpu_s: float


def measure(source: Path, out: Path) -> Measured:
    """Run the command once in its own process."""
    arguments = ["prepare", "fire", "--input", str(source), "--output-dir", str(out), "--skip-images", "--force"]
    before, started = os.times(), time.monotonic()
    subprocess.run([*PROGRAM, *arguments], check=True, capture_output=True)
    wall, after = time.monotonic() - started, os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall, children)


def floor(source: Path, written: Path) -> tuple[float, float]:
    """Return the CPU seconds to read every row of `source`, and to write every line of `written`."""
    started = time.process_time()
    with source.open("rb") as file:
        for _ in ijson.items(file, "item"):
            pass
    read = time.process_time() - started
    spent = 0.0
    with written.open("rb") as lines, tempfile.TemporaryFile() as target:
        while batch := [orjson.loads(line) for line in lines.readlines(1 << 20)]:
            started = time.process_time()
            for sample in batch:
                target.write(orjson.dumps(sample, option=orjson.OPT_APPEND_NEWLINE))
            spent += time.process_time() - started
    return read, spent


def main() -> None:
    """Write the file, run the command `--repeat` times, print the best run and the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=GOAL_ROWS)
    parser.add_argument("--words", type=int, default=25, help="longest sentence: 25 = 2.4 kB a row, 16 = 1.9 kB")
    parser.add_argument("--indent", type=int)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "FIRE-train-100K.json"), Path(folder, "out")
        write(source, options.rows, words=options.words, indent=options.indent)
        print(f"{options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB")
        runs = [measure(source, out) for _ in range(options.repeat)]
        best = min(runs, key=lambda run: run.cpu_s)
        stats = json.loads((out / "stats.json").read_bytes())
        read, wrote = floor(source, out / "fire_bc_train.jsonl")
    print(f"prepare   {min(run.wall_s for run in runs):6.2f} s wall, {best.cpu_s:.2f} s CPU, best of {len(runs)}")
    print(f"memory    {stats['peak_memory_mib']:6.1f} MiB peak, goal {GOAL_MIB:.0f} MiB")
    print(f"floor     {read + wrote:6.2f} s CPU = {read:.2f} s ijson read + {wrote:.2f} s orjson write")
    print(f"ratio     {best.cpu_s / (read + wrote):6.2f} x the floor, including Python's start and the input's hash")
    costs = stats["splits"]["train"]["layouts"]
    times = {key: costs["steps"][key] / costs["trajectory"][key] for key in ("samples", "images", "characters")}
    print("steps     " + ", ".join(f"{ratio:.2f} x the {key}" for key, ratio in times.items()) + " of trajectory")
    late = options.rows <= GOAL_ROWS and best.cpu_s > GOAL_S
    if late or stats["peak_memory_mib"] > GOAL_MIB:
        sys.exit(f"missed: {GOAL_S} s for {GOAL_ROWS:,} rows, {GOAL_MIB:.0f} MiB for any number")


if __name__ == "__main__":
    main()
