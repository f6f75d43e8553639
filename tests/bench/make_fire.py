"""Write a synthetic FIRE file of any size; the same arguments give the same bytes.

python tests/bench/make_fire.py FIRE-train-100K.json                      105,000 rows, about 250 MB
python tests/bench/make_fire.py FIRE-1M.json --rows 1000000 --words 16    about 1.9 GB
"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = """a the one two red blue small tall left right under behind beside sign bus door window cyclist kettle bench
umbrella clock bakery bridge shadow letters reads holds shows stands leans waits near far almost clearly perhaps count
again look closer corner edge colour number missing correct wrong partly answer question picture""".split()  # noqa: SIM905  a list of 40 quoted words is harder to read
FOREIGN = ("é", "“quoted”", "大きい", "🚲")  # in one sentence of 32
SENTENCES = 4096  # generated once and sampled: new words for a million rows would take minutes
IMAGES = ("coco/train2017/{:012d}.jpg", "gqa/images/{}.jpg", "vg/VG_100K/{}.jpg", "ocr_vqa/images/{}.jpg")
# Student answers per row and how often, from the processed training split.
ANSWERS = {2: 39_048, 3: 44_036, 4: 5_215, 5: 265, 6: 44}


def rows(count: int, words: int = 25, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield `count` rows shaped like FIRE-100K, with sentences of up to `words` words; 25 give 2.4 kB per row."""
    generator = random.Random(seed)
    pool = []
    for number in range(SENTENCES):
        said = generator.choices(WORDS, k=generator.randint(8, words)) + ([] if number % 32 else list(FOREIGN))
        pool.append(" ".join(said).capitalize() + ".")
    draw = generator.choice
    lengths = generator.choices(list(ANSWERS), weights=list(ANSWERS.values()), k=4096)
    for number in range(count):
        dialogue = []
        for turn in range(lengths[number % len(lengths)]):
            said = f"Thought: {draw(pool)} {draw(pool)}\nAnswer: {draw(pool)}\n\n"
            reply = f"Score: {min(10, 3 + 3 * turn)}.\nFeedback: {draw(pool)} {draw(pool)} {draw(pool)}\n"
            dialogue.append({"role": "student", "type": "response", "value": said})
            dialogue.append({"role": "teacher", "type": "feedback", "value": reply})
        yield {
            "id": f"{number:012d}",
            "image": IMAGES[number % len(IMAGES)].format(number),
            "question": {"from": "human", "value": ("<image>\n" if number % 3 else "") + draw(pool)},
            "groundtruth": {"from": "gpt", "value": draw(pool)},
            "conversations": dialogue,
        }


def write(path: Path, count: int, *, words: int = 25, lines: bool = False, indent: int | None = None) -> None:
    """Write a JSON array, or JSON lines, of `count` rows."""
    encode = json.JSONEncoder(indent=indent, ensure_ascii=False).encode
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        file.write("" if lines else "[")
        for number, row in enumerate(rows(count, words)):
            file.write(("\n" if lines else ", ") if number else "")
            file.write(encode(row))
        file.write("\n" if lines else "]")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=105_000)
    parser.add_argument("--words", type=int, default=25, help="longest sentence")
    parser.add_argument("--lines", action="store_true", help="JSON lines instead of one array")
    parser.add_argument("--indent", type=int, help="pretty printed with this many spaces")
    options = parser.parse_args()
    write(options.path, options.rows, words=options.words, lines=options.lines, indent=options.indent)


if __name__ == "__main__":
    main()
