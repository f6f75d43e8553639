r"""Geometry3K row -> Conversation.

A row of chenhegu/geo3k_imgurl, shortened; hiyouga/geometry3k has {"bytes", "path"} as images, and more columns:

    {"images": ["data:image/png;base64,iVBORw0..."], "problem": "<image>Find x.", "answer": "4 \\sqrt { 3 }"}
"""

import hashlib
from collections.abc import Iterable
from typing import Literal

from vlm_sft.datasets.conversation import Conversation, Drop, Turn, id_of
from vlm_sft.datasets.image_field import images_of
from vlm_sft.datasets.texts import IMAGE_TAG, clean, given

Target = Literal["boxed", "plain"]
SOURCE = "geo3k"
INSTRUCTION = r"Write the final answer in \boxed{}."
BOX = r"\boxed"
TOOL_CALL = "<tool_call>"  # of the prompt that slime's multi-turn example writes in front of every problem


def parse(row: object, target: Target = "boxed") -> Conversation | Drop:
    """Read one row. Never raises, whatever the row is."""
    if not isinstance(row, dict):
        return Drop("row_not_an_object", type(row).__name__)
    problem, answer = given(row.get("problem")).strip(), clean(given(row.get("answer")))
    if TOOL_CALL in problem:
        return Drop("tool_prompt", problem[:80])
    images = images_of(row.get("images"))
    if not images:
        return Drop("no_image", f"images is {type(row.get('images')).__name__}")
    tags = problem.count(IMAGE_TAG)
    if tags not in (0, len(images)):
        return Drop("image_tags_differ", f"{tags} image tags, {len(images)} images")
    if not clean(problem):
        return Drop("no_question")
    if not answer:
        return Drop("empty_answer", f"answer is {type(row.get('answer')).__name__}")
    question = problem if tags else clean(problem)
    row_id = id_of(row) or _digest((problem, answer, *images))
    if target == "boxed":
        question = f"{question}\n{INSTRUCTION}"
        answer = f"Answer: {answer}" if BOX in answer else f"Answer: {BOX}{{{answer}}}"
    return Conversation(row_id, SOURCE, images, question, (Turn(answer),), tags_in_text=bool(tags))


def _digest(parts: Iterable[str | bytes]) -> str:
    """Return an id for a row that has none. Many rows have the same problem and answer, but another diagram."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
