"""The last check of a sample before it is written: ms-swift must read it as intended."""

import re

from vlm_sft.datasets.conversation import Drop
from vlm_sft.prepare.swift_row import IMAGE_TAG, Sample

# Chat templates write control tokens as <|im_end|>; the same text in a dataset would end a turn or insert an image.
CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>")


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
    for content in contents:
        if "<" in content:
            tags += content.count(IMAGE_TAG)
            if token := CONTROL_TOKEN.search(content):
                return Drop("special_token_in_text", token.group())
    if tags != len(sample["images"]):
        return Drop("image_tag_in_text", f"{tags} image tags, {len(sample['images'])} images")
    talk = messages[1:] if messages[0]["role"] == "system" else messages
    roles = [message["role"] for message in talk]
    whole = roles in (["user", "assistant"] * (len(talk) // 2), ["assistant"]) and all(contents)
    if not whole or not any(message.get("loss") for message in talk):
        raise ValueError(f"swift_row wrote a sample that cannot be trained on: {roles}")
    return None
