"""SIGKILL at random moments of a preparation, by one pod and by three shards; it must end with the same bytes.

    .venv/bin/python tests/bench/fuzz_prepare.py [ROUNDS] [SEED]

Each round starts a preparation with images, kills it at a random moment, looks for half files under final names, and
repeats it until it is finished. Not part of `make bench`: 200 rounds take some ten minutes on two cores.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_fire import rows
from PIL import Image

ROWS = 20_000
OUTPUT = "fire_bc_train.jsonl"


def command(folder: Path, out: Path, *more: str) -> list[str]:
    given = ["--input", str(folder / "FIRE-train-100K.json"), "--image-root", str(folder / "images")]
    return [sys.executable, "-m", "vlm_sft", "prepare", "fire", *given, "--output-dir", str(out), *more]


def write_data(folder: Path) -> None:
    """Write rows that name 50 pictures, one of which has to be turned upright."""
    made = list(rows(ROWS))
    (folder / "images" / "coco").mkdir(parents=True)
    for number in range(50):
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 7 else 1
        picture = Image.effect_noise((320, 240), 60).convert("RGB")
        picture.save(folder / "images" / "coco" / f"{number}.jpg", exif=exif)
    for number, row in enumerate(made):
        row["image"] = f"coco/{number % 50}.jpg"
    (folder / "FIRE-train-100K.json").write_text(json.dumps(made))


def lines_without_folder(out: Path) -> bytes:
    return (out / OUTPUT).read_bytes().replace(str(out).encode(), b"")


def main(rounds: int, seed: int) -> None:
    """Run all rounds; end with an error at the first that differs."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        started = time.monotonic()
        subprocess.run(command(folder, folder / "whole"), check=True, capture_output=True)
        whole_s = time.monotonic() - started
        expected = lines_without_folder(folder / "whole")
        killed = 0
        for number in range(rounds):
            out = folder / "out"
            shards = [[f"--shard={shard}/3"] for shard in range(3)] if number % 2 else [[]]
            for more in shards:
                process = subprocess.Popen(command(folder, out, *more), stdout=-3, stderr=-3)
                time.sleep(dice.uniform(0.05, whole_s / len(shards)))
                killed += process.poll() is None
                process.kill()
                process.wait()
                if (out / "stats.json").exists() and lines_without_folder(out) != expected:
                    sys.exit(f"round {number}: stats.json is there, and the output is not whole")
                if (out / OUTPUT).exists() and lines_without_folder(out) != expected:
                    sys.exit(f"round {number}: half a file under its final name")
            for more in shards:
                subprocess.run(command(folder, out, *more), check=True, capture_output=True)
            if lines_without_folder(out) != expected:
                sys.exit(f"round {number}: the repeated preparation gave other bytes")
            left = {path.name for path in out.iterdir()} - {OUTPUT, "stats.json", "images"}
            if {name for name in left if name.endswith((".tmp", ".json")) or "shard" in name}:
                sys.exit(f"round {number}: left over: {', '.join(sorted(left))}")
            shutil.rmtree(out)
        print(f"{rounds} rounds, {killed} processes killed while they ran: the same {len(expected):,} bytes each time")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [20, 0][len(given) :]))
