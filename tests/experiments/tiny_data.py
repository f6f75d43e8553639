"""Tiny data of each dataset, in the dataset's own format and schema, so that the twin uses the same adapter."""

import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image
from pyarrow import parquet

COLOURS = {"Red": (220, 30, 30), "Green": (30, 180, 60), "Blue": (40, 60, 220), "Yellow": (230, 220, 40)}
SIDE = 64  # [px]


def picture(colour: tuple[int, int, int], seed: int) -> bytes:
    """Return a PNG of one colour with noise, so that no two are alike."""
    noise = random.Random(seed)
    image = Image.new("RGB", (SIDE, SIDE))
    image.putdata(
        [tuple(max(0, min(255, part + noise.randint(-20, 20))) for part in colour) for _ in range(SIDE * SIDE)]
    )
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def robo2vlm(folder: Path, train: int = 32, test: int = 12) -> None:
    """Write multiple choice questions whose answer is the colour of the picture; the choices are shuffled."""
    for split, count, first in (("train", train, 0), ("test", test, 10_000)):
        rows = [_colour_question(first + number) for number in range(count)]
        folder.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000-of-00001.parquet")


def _colour_question(number: int) -> dict[str, Any]:
    names = list(COLOURS)
    right = names[number % len(names)]
    image = {"bytes": picture(COLOURS[right], number), "path": None}
    question = "What colour is it?"
    choices, answer = repr(names), names.index(right)
    return {"id": f"toy_{number}", "question": question, "choices": choices, "correct_answer": answer, "image": image}


def geo3k(folder: Path) -> None:
    """Write problems with an expression in LaTeX as answer."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = ["60", r"4 \sqrt { 3 }", r"\frac { 1 } { 2 }", "12.5"]
    for split, count in (("train", 32), ("test", 6)):
        rows = [
            {
                "images": [{"bytes": picture((255, 255, number), number), "path": None}],
                "problem": f"<image>Find x in figure {number}.",
                "answer": answers[number % len(answers)],
            }
            for number in range(count)
        ]
        parquet.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")


def volcano(folder: Path) -> None:
    """Write LLaVA's rows and critiques, with their images."""
    images = folder / "images" / "coco" / "train2017"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(24):
        name = f"{number:012d}.jpg"
        Image.new("RGB", (SIDE, SIDE), (number, 90, 90)).save(images / name)
        question = "<image>\nHow many boats are there?"
        if number % 2:
            question = (
                "<image>\nGenerate the feedback given initial answer referring to question and image.\n"
                "Question: How many boats are there?\nInitial answer: Four."
            )
        turns = [{"from": "human", "value": question}, {"from": "gpt", "value": f"There are {number}."}]
        rows.append({"id": f"r{number}", "image": f"coco/train2017/{name}", "conversations": turns})
    (folder / "volcano-train.json").write_text(json.dumps(rows))


def alpaca(path: Path) -> None:
    """Write instructions, as ms-swift reads them from the hub."""
    rows = [{"instruction": f"Say {number}.", "input": "", "output": f"{number}."} for number in range(32)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def jsonl(path: Path, count: int) -> None:
    """Write the three shapes of the JSONL framework, mixed."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        question, answer = f"Say {number}.", f"{number}."
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rows += [{"messages": turns}, {"prompt": question, "completion": answer}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def messages(path: Path, count: int) -> None:
    """Write conversations only: a validation file is read as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turns = [
        [{"role": "user", "content": f"Say {number}."}, {"role": "assistant", "content": f"{number}."}]
        for number in range(count)
    ]
    path.write_text("".join(json.dumps({"messages": part}) + "\n" for part in turns))
