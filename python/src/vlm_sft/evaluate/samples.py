"""Rows of an evaluation's data -> samples. A row is one of ms-swift's.

{"messages": [{"role": "user", "content": "<image>What is it?"}, {"role": "assistant", "content": "A cup."}],
 "images": ["/outputs/fire_bc/images/412.jpg"]}
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.task import Asked, Sample
from vlm_sft.runs.dataset_name import split_dataset

Row = Mapping[str, Any]
TAG = "<image>"


def read_samples(names: Sequence[str], asked: Asked) -> list[Sample]:
    """Return the samples of all data files, in order.

    Args:
        names: paths, each optionally with #N for its first N rows.
        asked: which answers of a row are asked for.

    Raises:
        ConfigError: a file is missing, empty or not JSONL, or a row lacks what the evaluation needs.
    """
    if not names:
        raise ConfigError("val_dataset: not set, need the path of the evaluation data; set evaluate.dataset")
    samples: list[Sample] = []
    files = [split_dataset(name) for name in names]
    stems = [path.stem for path, _ in files]
    for number, (path, limit) in enumerate(files):
        prefix = stems[number] if stems.count(stems[number]) == 1 else f"{number}-{stems[number]}"
        samples += _of_file(path, limit, prefix, asked)
    if not samples:
        raise ConfigError(f"val_dataset: no answer to ask for in {', '.join(names)}; need rows that end with an answer")
    return samples


def _of_file(path: Path, limit: int | None, prefix: str, asked: str) -> Iterator[Sample]:
    if not (path.is_file() and path.stat().st_size):
        raise ConfigError(f"val_dataset: {path} is missing or empty; prepare the data, or correct the path")
    for number, row in enumerate(_rows(path), 1):
        if limit is not None and number > limit:
            return
        yield from _of_row(row, f"{prefix}:{number}", f"{path}:{number}", path.parent, asked)


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSONL file; a file of another form is read as ms-swift reads it."""
    number = 0
    with path.open("rb") as lines:
        for line in lines:
            number += 1
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
                break
            if all(isinstance(message, str) for message in row["messages"]):  # the set that ms-swift splits off
                row["messages"] = [json.loads(message) for message in row["messages"]]
            yield row
        else:
            return
    if number > 1:
        way_out = "need a JSON object with messages, as in the lines before it"
        raise ConfigError(f"{path}:{number}: got {line[:40]!r}, {way_out}; run `vlm-sft check {path}`")
    from vlm_sft.evaluate.swift_rows import swift_rows

    yield from swift_rows(path)


def _of_row(row: Row, name: str, place: str, folder: Path, asked: str) -> Iterator[Sample]:
    messages = row["messages"]
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str) or "role" not in message:
            need = "need a role and a text in each message"
            raise ConfigError(f"{place}: messages: got {str(message)[:60]}, {need}; run `vlm-sft check`")
    if not messages or messages[-1]["role"] != "assistant":
        got = messages[-1]["role"] if messages else "no message"
        need = "need an assistant's answer, the reference that the model's answer is compared with"
        raise ConfigError(f"{place}: the last message is of {got}, {need}; add it, or choose other data")
    images = tuple(_image(image, place, folder) for image in _listed(row.get("images")))
    tags = sum(message["content"].count(TAG) for message in messages)
    if tags != len(images):
        raise ConfigError(f"{place}: {len(images)} images for {tags} {TAG} tags; run `vlm-sft check` on the file")
    if asked == "none":
        reference = messages[-1]["content"].strip()
        yield Sample(name, "\n".join(images) or name, tuple(messages), images, reference)
        return
    turns = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    reference = messages[-1]["content"].strip()
    if asked in ("last", "dialogue"):
        turns = turns[-1:] if asked == "last" else turns[:1]
    for at in turns:
        if at == 0 or (asked == "each" and messages[at].get("loss") is False):
            continue  # a turn that is not trained on is the history of another row, where it is asked for
        before = tuple({"role": m["role"], "content": m["content"]} for m in messages[:at])
        used = sum(message["content"].count(TAG) for message in before)
        each = asked == "each"
        group = name if each else "\n".join(images) or name
        if each:
            reference = messages[at]["content"].strip()
        yield Sample(f"{name}.{turns.index(at) + 1}" if each else name, group, before, images[:used], reference)


def _listed(images: object) -> list[Any]:
    """Return a row's images as a list; ms-swift also takes one image without a list."""
    if images is None or images == "":
        return []
    return images if isinstance(images, list) else [images]


def _image(image: object, place: str, folder: Path) -> str:
    """Return an image as an absolute path, a URL or a data: URI."""
    if isinstance(image, dict):
        image = image.get("path")
    if not isinstance(image, str) or not image:
        raise ConfigError(f"{place}: images: got {str(image)[:40]!r}, need a path, a URL or a data: URI")
    if image.startswith(("data:", "http://", "https://")):
        return image
    path = Path(image) if Path(image).is_absolute() or Path(image).is_file() else folder / image
    if not path.is_file():
        raise ConfigError(f"{place}: images: {image} is missing; prepare the data again, or correct the path")
    return str(path.absolute())


def digest(samples: Sequence[Sample]) -> str:
    """Return the SHA-256 of what is asked, the references and the images' content, whatever the folders are called."""
    whole = hashlib.sha256()
    contents: dict[str, str] = {}
    for sample in samples:
        for image in sample.images:
            if image not in contents:
                data = Path(image).read_bytes() if image.startswith("/") else image.encode()
                contents[image] = hashlib.sha256(data).hexdigest()
        parts = [sample.id, sample.messages, [contents[image] for image in sample.images], sample.reference]
        whole.update(json.dumps(parts, sort_keys=True).encode() + b"\n")
    return whole.hexdigest()
