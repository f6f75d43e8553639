"""Synthetic input of every dataset but Robo2VLM, shaped as the published rows; the same size gives the same bytes.

`WRITERS[name](folder, megabytes)` writes one file and returns it with its number of rows. FIRE: `make_fire.py`.
"""

import csv
import io
import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import make_fire
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

Row = dict[str, Any]
Written = tuple[Path, int]
POOL = 4096  # sentences, generated once
BYTES_OF_FIRE = 2400  # of a row


def sentences(seed: int) -> Callable[[], str]:
    """Return a function that draws a sentence of 6 to 25 words."""
    dice = random.Random(seed)
    pool = [" ".join(dice.choices(make_fire.WORDS, k=dice.randint(6, 25))).capitalize() + "." for _ in range(POOL)]
    return lambda: dice.choice(pool)


def volcano_rows() -> Iterator[Row]:
    """Yield critique, revise and decide rows of one image and question, then a plain row."""
    say = sentences(1)
    for number in itertools.count():
        image, question, first, better, feedback = f"coco/{number:012d}.jpg", say(), say(), say(), say() + " " + say()
        of_image = {"id": f"v{number}", "image": image}
        head = f"image.\nQuestion: {question}\nInitial answer: {first}"
        asked = [
            (f"Generate the feedback given initial answer referring to question and {head}", feedback),
            (
                f"Adjust the initial response considering the feedback and {head}\nFeedback: {feedback}",
                better,
            ),
            (
                f"{question}\nA. {first}\nB. {better}\n"
                "Answer with the option's letter from the given choices directly.",
                "B",
            ),
            (say(), say() + " " + say()),
        ]
        for human, gpt in asked:
            yield of_image | {
                "conversations": [{"from": "human", "value": f"<image>\n{human}"}, {"from": "gpt", "value": gpt}]
            }


def alpaca_rows() -> Iterator[Row]:
    """Yield rows as those of tatsu-lab/alpaca; two of three have no input."""
    say = sentences(2)
    for number in itertools.count():
        yield {"instruction": say(), "input": "" if number % 3 else say(), "output": say() + " " + say()}


def oasst1_rows() -> Iterator[Row]:
    """Yield trees of seven messages: a prompt, two answers, a prompt below each, an answer to each."""
    say = sentences(3)
    parents = {"p": None, "a0": "p", "a1": "p", "q0": "a0", "q1": "a1", "b0": "q0", "b1": "q1"}
    for tree in itertools.count():
        for name, parent in parents.items():
            yield {
                "message_id": f"{tree}-{name}",
                "parent_id": parent and f"{tree}-{parent}",
                "user_id": f"u-{tree % 97}",
                "created_date": "2023-02-05T14:23:50.983374+00:00",
                "text": " ".join(say() for _ in range(4)),
                "role": "prompter" if name[0] in "pq" else "assistant",
                "lang": "en",
                "review_count": 3,
                "review_result": True,
                "deleted": False,
                "rank": None if name[0] in "pq" else int(name[1]),
                "synthetic": False,
                "message_tree_id": f"{tree}-p",
                "tree_state": "ready_for_export",
            }


def mixed_rows() -> Iterator[Row]:
    """Yield rows of three shapes in turn, as people's own files mix them."""
    say = sentences(4)
    for number in itertools.count():
        asked, said = say(), say() + " " + say()
        yield (
            {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]},
            {"prompt": asked, "completion": said},
            {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]},
        )[number % 3]


def pairs() -> Iterator[Row]:
    """Yield rows with a prompt and a completion."""
    say = sentences(5)
    while True:
        yield {"prompt": say(), "completion": say() + " " + say()}


def geo3k_rows() -> Iterator[Row]:
    """Yield rows as those of hiyouga/geometry3k, each with a diagram of 300 x 200 pixels."""
    dice, say = random.Random(6), sentences(6)
    for number in itertools.count():
        image = Image.frombytes("L", (30, 20), dice.randbytes(600)).resize((300, 200))
        file = io.BytesIO()
        image.save(file, "PNG")
        yield {
            "images": [{"bytes": file.getvalue(), "path": None}],
            "problem": f"<image>{say()} Find x.",
            "answer": f"{number} \\sqrt {{ 3 }}",
        }


def taken(rows: Iterable[Row], megabytes: float) -> Iterator[Row]:
    """Yield rows until their texts and images have that size."""
    left = megabytes * 1e6
    for row in rows:
        yield row
        left -= len(repr(row)) if "images" not in row else len(row["images"][0]["bytes"])
        if left <= 0:
            return


def as_lines(path: Path, rows: Iterable[Row]) -> Written:
    """Write JSON lines."""
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        return path, sum(bool(file.write(json.dumps(row, ensure_ascii=False) + "\n")) for row in rows)


def as_array(path: Path, rows: Iterable[Row]) -> Written:
    """Write one JSON array."""
    _, count = as_lines(path, rows)
    path.write_text("[" + ",\n".join(path.read_text(encoding="utf-8").splitlines()) + "]", encoding="utf-8")
    return path, count


def as_csv(path: Path, rows: Iterable[Row]) -> Written:
    """Write CSV with a header."""
    made = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(made[0]))
        writer.writeheader()
        writer.writerows(made)
    return path, len(made)


def as_parquet(path: Path, rows: Iterable[Row]) -> Written:
    """Write Parquet with row groups of 1,000 rows, or of 100 with images, as `datasets` does."""
    made = list(rows)
    parquet.write_table(pa.Table.from_pylist(made), path, row_group_size=100 if "images" in made[0] else 1000)
    return path, len(made)


def fire(folder: Path, megabytes: float) -> Written:
    """Write one JSON array of FIRE rows."""
    count = int(megabytes * 1e6 / BYTES_OF_FIRE)
    make_fire.write(folder / "FIRE-train-100K.json", count)
    return folder / "FIRE-train-100K.json", count


WRITERS: dict[str, Callable[[Path, float], Written]] = {
    "fire": fire,
    "volcano": lambda folder, mb: as_array(folder / "volcano_train.json", taken(volcano_rows(), mb)),
    "geo3k": lambda folder, mb: as_parquet(folder / "train.parquet", taken(geo3k_rows(), mb)),
    "alpaca": lambda folder, mb: as_parquet(folder / "train.parquet", taken(alpaca_rows(), mb)),
    "oasst1": lambda folder, mb: as_parquet(folder / "train.parquet", taken(oasst1_rows(), mb)),
    "jsonl": lambda folder, mb: as_lines(folder / "train.jsonl", taken(mixed_rows(), mb)),
    "csv": lambda folder, mb: as_csv(folder / "train.csv", taken(pairs(), mb)),
    "hub": lambda folder, mb: as_parquet(folder / "train.parquet", taken(pairs(), mb)),
}
