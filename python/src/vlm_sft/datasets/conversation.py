"""What every data set is turned into before anything knows ms-swift: a conversation about images, or a named drop."""

from dataclasses import dataclass

LARGEST_ID = 2**64  # str() refuses integers of more than 4300 digits


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model that is imitated, and what was said to it afterwards."""

    answer: str
    feedback: str = ""  # empty: none was given, which only the last turn may have
    score: float | None = None  # 0 < score <= 10; None: not given, or not readable


@dataclass(frozen=True, slots=True)
class Conversation:
    """One row of any data set. Texts have no image tag and no outer space; only the last feedback may be empty."""

    row_id: str
    source: str  # where the image comes from, as the data set names it: "coco", "vg", ...
    images: tuple[str, ...]  # paths as the data set writes them, untrusted
    question: str
    turns: tuple[Turn, ...]  # at least one


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that is not written, why, and the piece of it that shows why."""

    reason: str
    detail: str = ""


def id_of(row: object) -> str:
    """Return the row's `id` where it is a text or an ordinary number, else an empty text."""
    row_id = row.get("id") if isinstance(row, dict) else None
    if isinstance(row_id, int) and abs(row_id) < LARGEST_ID:
        return str(row_id)
    return row_id if isinstance(row_id, str) else ""


# What a person chose not to take. Counted like every drop, but no failure: it has no part in the drop share.
CHOICES = frozenset({"source_not_selected", "no_revision"})

REASONS = {
    "invalid_json": "the line is not JSON",
    "row_not_an_object": "the row is not a JSON object",
    "no_image": "no image path",
    "no_question": "no question, or nothing but an image tag",
    "no_answers": "no conversation, or an empty one",
    "turn_malformed": "an entry of the conversation has no known role or no text",
    "roles_do_not_alternate": "student and teacher do not take turns, student first",
    "teacher_dialogue": "the answers are scores: the teacher's side of a dialogue",
    "empty_answer": "a student's answer is empty",
    "empty_feedback": "a feedback that a later answer follows is empty",
    "image_path_unsafe": "the image path is absolute or climbs out of the root",
    "image_missing": "no such file under any image root",
    "image_outside_root": "the image is a link that leads out of every image root",
    "image_unreadable": "the image file does not decode",
    "image_tag_in_text": "a text holds an image tag that could not be taken out",
    "special_token_in_text": "a text holds a control token of a chat template, such as <|im_end|>",
    "source_not_selected": "chosen: its source is not among --sources",
    "no_revision": "chosen: one answer only, and --loss revisions imitates none of it",
}
