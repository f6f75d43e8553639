"""Speed and memory of `vlm-sft prepare`, dataset by dataset, against a floor and against the library `datasets`.

    python tests/bench/bench_prepare.py                         every dataset, 60 MB of rows each; some minutes
    python tests/bench/bench_prepare.py --only fire --mb 1900   as FIRE-1M

- /floor: bare reading (orjson; ijson's yajl2_c for an array; csv; pyarrow), and bare orjson writing of the result;
- datasets: how many times as much the library takes for `load_dataset`, `map` to messages with a function of a few
  lines and `to_json`, in an empty cache, without any check. Left out where rows must be grouped first (oasst1,
  trajectories) and for geo3k, whose images are bytes that JSON does not have.

Both are ratios of CPU seconds, user + system, with one worker; the start of Python and its imports count on all sides.
rows/s and MiB/s are with one worker for each core; MiB is the size of the file, and Parquet is compressed. Memory is
the largest sum of the proportional set sizes of all processes, of both runs. `hub` takes a folder, and reads it by
`datasets` itself. Robo2VLM: bench_robo2vlm.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from make_rows import WRITERS

GOAL_FLOOR, GOAL_DATASETS, GOAL_MIB = 3.0, 5.0, 150.0  # at most, at least, at most
TRAJECTORIES = "volcano --as trajectories"
READ = {
    ".json": "import ijson\nfor row in ijson.items(open(source, 'rb'), 'item'): pass",
    ".jsonl": "import orjson\nfor line in open(source, 'rb'): orjson.loads(line)",
    ".csv": "import csv\nfor row in csv.DictReader(open(source, newline='')): pass",
    ".parquet": "from pyarrow.parquet import ParquetFile\n"
    "for batch in ParquetFile(source).iter_batches(1000): batch.to_pylist()",
}
WRITE = """
import sys, time, orjson
spent = 0.0
with open(sys.argv[1], "rb") as lines, open(sys.argv[1] + ".floor", "wb") as target:
    while batch := [orjson.loads(line) for line in lines.readlines(1 << 20)]:
        started = time.process_time()
        for row in batch: target.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        spent += time.process_time() - started
print(spent)
"""
# One row -> its messages, as a user of `datasets` writes it.
PAIR = "m(row['prompt'], row['completion'])"
TO_MESSAGES = {
    "fire": "m(row['question']['value'], *(turn['value'] for turn in row['conversations'][:-1]))",
    "volcano": "m(*(turn['value'] for turn in row['conversations']))",
    "alpaca": "m(row['instruction'] + ('\\n' + row['input'] if row['input'] else ''), row['output'])",
    "jsonl": f"row['messages'] or ({PAIR} if row['prompt'] else m(*(turn['value'] for turn in row['conversations'])))",
    "csv": PAIR,
    "hub": PAIR,
}
LIBRARY = """
import sys
from datasets import load_dataset
source, target, cache, kind = sys.argv[1:]
def m(*texts):
    return [{{"role": ("user", "assistant")[n % 2], "content": text.strip()}} for n, text in enumerate(texts)]
rows = load_dataset(kind, data_files=source, split="train", cache_dir=cache)
rows = rows.map(lambda row: {{"messages": {messages}}}, remove_columns=rows.column_names)
rows.to_json(target, force_ascii=False)
"""
KINDS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Measured:
    """One process with its children."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def run(arguments: Sequence[str]) -> Measured:
    """Run Python once, and sample the memory of it and its children."""
    before, started = os.times(), time.monotonic()
    peak = 0.0
    with tempfile.TemporaryFile() as errors:
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=errors, env=environment
        )
        while process.poll() is None:
            peak = max(peak, sum(pss_mib(pid) for pid in tree(process.pid)))
            time.sleep(0.02)
        if process.returncode:
            errors.seek(0)
            sys.exit(errors.read().decode()[-2000:])
    wall, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall, cpu, peak)


def tree(pid: int) -> Iterable[int]:
    """Yield a process and all its descendants."""
    yield pid
    for file in Path("/proc", str(pid), "task").glob("*/children"):
        try:
            found = file.read_text().split()
        except OSError:  # it has ended
            continue
        for child in found:
            yield from tree(int(child))


def pss_mib(pid: int) -> float:
    """Return the proportional set size; 0 for a process that has ended."""
    try:
        text = Path("/proc", str(pid), "smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)


def measure(label: str, megabytes: float) -> str:
    """Return one line of the table."""
    name, *options = label.split()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "in").mkdir()
        source, rows = WRITERS[name](folder / "in", megabytes)
        given = str(source.parent if name == "hub" else source)
        prepare = ["-m", "vlm_sft", "prepare", name, "--input", given, "--splits", "train", "--force", *options]
        prepare += ["--output-dir", str(folder / "out")]
        prepare += ["--skip-images"] if name in ("fire", "volcano") else []
        all_cores, one = run(prepare), run([*prepare, "--workers", "1"])
        stats = json.loads((folder / "out" / "stats.json").read_bytes())
        output = folder / "out" / f"{name}_bc_train.jsonl"
        read = run(["-c", "import sys; source = sys.argv[1]\n" + READ[source.suffix], str(source)])
        wrote = float(subprocess.run([sys.executable, "-c", WRITE, output], check=True, capture_output=True).stdout)
        times = "-"
        if name in TO_MESSAGES and not options:
            code = LIBRARY.format(messages=TO_MESSAGES[name])
            files = [str(source), str(folder / "mapped.jsonl"), str(folder / "cache"), KINDS[source.suffix]]
            times = f"{run(['-c', code, *files]).cpu_s / one.cpu_s:.2f}"
        size = source.stat().st_size / (1 << 20)
        return (
            f"{label:<26} {rows:>9,} {stats['written']:>9,} {size:>6.0f} {rows / all_cores.wall_s:>9,.0f} "
            f"{size / all_cores.wall_s:>6.1f} {one.cpu_s:>6.1f} {one.cpu_s / (read.cpu_s + wrote):>6.2f} "
            f"{times:>8} {max(one.peak_mib, all_cores.peak_mib):>8.0f}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*WRITERS, TRAJECTORIES])
    parser.add_argument("--mb", type=float, default=60.0, help="MB of rows")
    options = parser.parse_args()
    labels = [options.only] if options.only else [*WRITERS, TRAJECTORIES]
    print(
        f"{'dataset':<26} {'rows in':>9} {'written':>9} {'MiB':>6} {'rows/s':>9} {'MiB/s':>6} {'CPU s':>6} "
        f"{'/floor':>6} {'datasets':>8} {'peak MiB':>8}"
    )
    print(f"{'goal, without images':<76} {GOAL_FLOOR:>6.2f} {GOAL_DATASETS:>8.2f} {GOAL_MIB:>8.0f}")
    for label in labels:
        print(measure(label, options.mb), flush=True)


if __name__ == "__main__":
    main()
