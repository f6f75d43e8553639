"""Findings in one row that ms-swift reads: texts, roles, tags and loss."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vlm_sft.check.swift_reader import Message, Reading

IMAGE_TAG = "<image>"
OTHER_MEDIA = re.compile(r"<(video|audio|bbox|ref-object)>|<img>.+?</img>")
NAN_TEXTS = {"nan", "NaN", "None", "null", "<NA>", "NULL"}  # how tables write a missing value
SPEAKER = {"assistant": "assistant", "tool_call": "assistant", "user": "user", "tool": "user"}

Finding = tuple[str, str, str]  # kind, field, detail


class TextRules(NamedTuple):
    """What must not be in a text: the control tokens of a model, or their usual form."""

    control_token: re.Pattern[str]


def findings(reading: Reading, rules: TextRules) -> Iterator[Finding]:
    """Yield (kind, field, detail) for everything in a row that is lost or spoiled although ms-swift reads the row."""
    messages = reading.messages
    talk = messages[1:] if messages and messages[0].role == "system" else messages
    yield from _order(talk, messages)
    yield from _answers(talk)
    texts = "\n".join([message.text for message in messages])
    if "<" in texts or reading.images:
        yield from _tags(reading, texts)
    if "<" in texts or "\0" in texts or rules.control_token.search(texts):
        for message in messages:
            if token := rules.control_token.search(message.text):
                yield ("control_token", message.field, token.group())
            if "\0" in message.text:
                yield ("nul_character", message.field, _around(message.text, message.text.index("\0")))


def _order(talk: Sequence[Message], messages: Sequence[Message]) -> Iterator[Finding]:
    roles = [message.role for message in talk]
    if "system" in roles:
        yield ("role_order", talk[roles.index("system")].field, " ".join(roles)[:60])
        return
    if not talk:
        yield ("role_order", messages[0].field if messages else "", "no user or assistant")
        return
    speakers = [SPEAKER[role] for role in roles]
    if "assistant" not in speakers:
        yield ("no_answer", talk[-1].field, " ".join(roles)[:60])
    elif speakers[-1] == "user":
        yield ("last_is_user", talk[-1].field, roles[-1])
    if speakers[0] == "assistant":
        yield ("no_question", talk[0].field, _around(talk[0].text, 0))


def _answers(talk: Sequence[Message]) -> Iterator[Finding]:
    losses = []
    for message in talk:
        text = message.text
        if message.role == "assistant":
            losses.append(message.loss)
            if not text or text.isspace():
                yield ("empty_answer", message.field, repr(text[:20]))
            if message.loss not in (None, True, False):
                yield ("loss_not_boolean", message.field, repr(message.loss)[:40])
            if not isinstance(message.loss_scale, int | float | None):
                yield ("loss_scale_malformed", message.field, repr(message.loss_scale)[:40])
        elif message.role == "user" and (not text or text.isspace()):
            yield ("empty_question", message.field, repr(text[:20]))
        if text in NAN_TEXTS:
            yield ("nan_text", message.field, text)
    if losses and all(loss is not None and not loss for loss in losses):
        yield ("nothing_trained", talk[-1].field, f"{len(losses)} answers")


def _tags(reading: Reading, texts: str) -> Iterator[Finding]:
    tags, images = texts.count(IMAGE_TAG), len(reading.images)
    if not images and "<img>" in texts:
        images = tags = 0  # ms-swift reads <img>path</img> if the row has no images
    field = next((message.field for message in reading.messages if IMAGE_TAG in message.text), "images")
    if tags > images:
        yield ("extra_image_tags", field, f"{tags} tags, {images} images")
    elif tags < images:
        yield ("missing_image_tags", field, f"{tags} tags, {images} images")
    for message in reading.messages:
        if IMAGE_TAG in message.text and message.role in ("assistant", "system"):
            yield ("image_tag_in_answer", message.field, _around(message.text, message.text.index(IMAGE_TAG)))
    yield from _media(reading, texts)


def _media(reading: Reading, texts: str) -> Iterator[Finding]:
    found = Counter(match[1] or "img" for match in OTHER_MEDIA.finditer(texts))
    objects = reading.objects or {}
    given = {
        "video": len(reading.videos),
        "audio": len(reading.audios),
        "bbox": _length(objects.get("bbox")),
        "ref-object": _length(objects.get("ref")),
        "img": 0 if reading.images else found["img"],
    }
    for name, count in found.items():
        if count > given[name]:
            place = next((m.field for m in reading.messages if f"<{name}>" in m.text), "")
            yield ("media_tag", place, f"{count} <{name}>, {given[name]} given")
    for name in ("bbox", "ref-object"):
        if given[name] > found[name]:
            yield ("unused_objects", "objects", f"{given[name]} given, {found[name]} <{name}>")


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _around(text: str, start: int) -> str:
    return repr(text[max(0, start - 20) : start + 30])
