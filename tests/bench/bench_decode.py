"""Pictures per second that a preparation verifies, against one core's bare Pillow decoding times the cores.

    python tests/bench/bench_decode.py                  600 pictures of 640x480 of each kind
    python tests/bench/bench_decode.py --pictures 2000

The floor opens and loads every picture in one process while the other cores do the same, so that a machine whose cores
slow each other down is measured as it is. Ours forks one process for each core, as a preparation does. The second run
finds the verdicts of the first on disk.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from PIL import Image, ImageFilter
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.resolve import ImageRoots

GOAL_SHARE = 0.9  # of the cores' bare decoding
GOAL_AGAIN = 5.0  # times the first run's speed
BATCH = 32  # as in a preparation
CORES = len(os.sched_getaffinity(0))
FORMATS = {"JPEG": "jpg", "PNG": "png"}


def write_pictures(folder: Path, image_format: str, count: int) -> list[str]:
    """Write pictures that compress like photographs; 20 different ones, each at many paths."""
    folder.mkdir()
    generator = random.Random(1)
    base = Image.frombytes("RGB", (640, 480), generator.randbytes(640 * 480 * 3)).filter(ImageFilter.GaussianBlur(1))
    names = [f"{number}.{FORMATS[image_format]}" for number in range(count)]
    for number, name in enumerate(names):
        if number < 20:
            base.rotate(generator.randrange(360)).save(folder / name, image_format)
        else:
            shutil.copyfile(folder / names[number % 20], folder / name)
    return names


def bare(folder: Path, names: Sequence[str]) -> None:
    """Decode every picture."""
    for name in names:
        with Image.open(folder / name) as image:
            image.load()


def ours(images: ImageRoots, names: Sequence[str]) -> None:
    """Look up every picture as a preparation does."""
    rows = iter(names)
    while batch := list(islice(rows, BATCH)):
        images.prefetch(batch)
        if any(not isinstance(images.find(name), str) for name in batch):
            raise SystemExit("a picture was refused")


def in_processes(work: Callable[..., None], first: object, names: Sequence[str]) -> float:
    """Return the pictures per second of one process for each core, each with its share of the pictures."""
    context = multiprocessing.get_context("fork")
    shares = [names[number::CORES] for number in range(CORES)]
    processes = [context.Process(target=work, args=(first, share)) for share in shares]
    started = time.monotonic()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit(1)
    return len(names) / (time.monotonic() - started)


def main() -> None:
    """Measure both formats, floor and ours alternating; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3, help="the best round of each counts")
    options = parser.parse_args()
    missed = False
    for image_format in FORMATS:
        with tempfile.TemporaryDirectory() as place:
            root = Path(place) / "root"
            names = write_pictures(root, image_format, options.pictures)
            floors, first, again = [], [], []
            for number in range(options.rounds):
                folder = ImageFolder(Path(place) / f"folder{number}")
                floors.append(in_processes(bare, root, names))
                first.append(in_processes(ours, ImageRoots([root], (), folder), names))
                again.append(in_processes(ours, ImageRoots([root], (), folder), names))
        share, faster = max(first) / max(floors), max(again) / max(first)
        missed |= share < GOAL_SHARE or faster < GOAL_AGAIN
        print(
            f"{image_format}, {CORES} cores: bare {max(floors):.0f} pictures/s, ours {max(first):.0f}, {share:.2f} of "
            f"it (goal {GOAL_SHARE}); remembered {max(again):.0f}, {faster:.0f} times as fast (goal {GOAL_AGAIN:.0f})"
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
