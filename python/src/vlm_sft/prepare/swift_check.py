"""The last check of a sample before it is written: ms-swift must read it as intended."""

import re

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.texts import IMAGE_TAG
from vlm_sft.prepare.swift_row import Sample

# Chat templates write control tokens as <|im_end|>; the same text in a dataset would end a turn or insert an image.
CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>")
# In a row without images, ms-swift opens PATH of this old tag as an image.
IMAGE_PATH_TAG = re.compile(r"<img>.+?</img>")
CONTROL_CHARACTER = re.compile(rb"\\(?:u00[01].|b|f)")  # as JSON writes all but tab, line feed and carriage return


def problem_of(sample: Sample) -> Drop | None:
    """Return why `sample` must not be written, or None.

    A control token or an image tag in a text is an error of the data and gives a Drop. Roles that do not alternate, an
    empty text or a sample without loss are errors of this program.

    Raises:
        ValueError: the sample violates the format that `swift_row` guarantees.
    """
    messages = sample["messages"]
    contents = [message["content"] for message in messages]
    tags = 0
    without_images = not sample["images"]
    for content in contents:
        if "<" in content:
            tags += content.count(IMAGE_TAG)
            if token := CONTROL_TOKEN.search(content):
                return Drop("special_token_in_text", token.group())
            if without_images and (tag := IMAGE_PATH_TAG.search(content)):
                return Drop("image_tag_in_text", tag.group()[:120])
    if tags != len(sample["images"]):
        return Drop("image_tag_in_text", f"{tags} image tags, {len(sample['images'])} images")
    talk = messages[1:] if messages[0]["role"] == "system" else messages
    roles = [message["role"] for message in talk]
    whole = roles in (["user", "assistant"] * (len(talk) // 2), ["assistant"]) and all(contents)
    if not whole or not any(message.get("loss") for message in talk):
        raise ValueError(f"swift_row wrote a sample that cannot be trained on: {roles}")
    return None


def control_character(line: bytes) -> Drop | None:
    r"""Return why a line of the output must not be written: it has a control character; or None.

    The character marks a damaged text, such as U+0008 for the start of LaTeX's \beta. Without it the text would be one
    that nobody wrote, so the row is dropped.
    """
    if not CONTROL_CHARACTER.search(line):
        return None
    found = CONTROL_CHARACTER.search(line.replace(rb"\\", b""))  # a backslash of the text is written twice
    return Drop("control_character", found[0].decode()) if found else None
