"""What a row of any dataset becomes: a conversation, or a drop with its reason. Independent of ms-swift."""

from dataclasses import dataclass

LARGEST_ID = 2**64  # str() refuses integers of more than 4300 digits


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer that the model can be trained on, and the user's reply to it."""

    answer: str
    reply: str = ""  # empty: no reply; only the last turn may have none
    score: float | None = None  # of the answer, 0 < score <= 10; None: not given, or not readable
    trained: bool = True  # False: the row itself excludes this answer from the loss


Image = str | bytes  # untrusted: a path, URL or data URI as the dataset writes it, or the bytes of an image file


@dataclass(frozen=True, slots=True)
class Conversation:
    """One row of any dataset. Texts have no outer whitespace; only the last reply may be empty.

    Without `tags_in_text` no text has an image tag. An empty question is for a text that is trained on as a whole.
    """

    row_id: str
    source: str  # where the row or its images come from, as the dataset names it: "coco", "vg", ...
    images: tuple[Image, ...]  # may be empty
    question: str
    turns: tuple[Turn, ...]  # at least one
    system: str = ""  # the row's own system message
    tags_in_text: bool = False  # True: the texts have one <image> for each image, in place; False: images come first


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that is not written: the reason, and the part of the row that shows it."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A row that is a part of the conversation which another row of its group yields."""


JOINED = Joined()
Outcome = Conversation | Drop | Joined


def id_of(row: object) -> str:
    """Return the row's `id` if it is a text or an ordinary number, else an empty text."""
    row_id = row.get("id") if isinstance(row, dict) else None
    if isinstance(row_id, int) and abs(row_id) < LARGEST_ID:
        return str(row_id)
    return row_id if isinstance(row_id, str) else ""


# Rows that the user's options exclude. They are counted as dropped, but not in the drop share.
CHOICES = frozenset({"source_not_selected", "no_revision"})

REASONS = {
    "invalid_json": "the line is not JSON",
    "row_not_an_object": "the row is not a JSON object",
    "no_image": "no image path",
    "no_question": "no question, or only an image tag",
    "no_answers": "no conversation, or an empty one",
    "turn_malformed": "an entry of the conversation has no known role or no text",
    "roles_do_not_alternate": "the model's answers and the user's replies do not alternate, answer first",
    "teacher_dialogue": "the answers are scores: the teacher's side of a dialogue",
    "empty_answer": "an answer is empty",
    "empty_feedback": "a user's reply before a later answer is empty",
    "image_path_unsafe": "the image path is absolute or leads out of the root",
    "image_missing": "no such file under any image root",
    "image_outside_root": "the image is a link that leads out of every image root",
    "image_unreadable": "the image file does not decode",
    "image_tag_in_text": "a text contains an image tag that could not be removed",
    "special_token_in_text": "a text contains a control token of a chat template, such as <|im_end|>",
    "ragged_row": "the line has more cells than the header",
    "no_trained_answer": "the row excludes all its answers from the loss",
    "source_not_selected": "by choice: its source is not among --sources",
    "no_revision": "by choice: only one answer, and --loss revisions trains on later answers only",
}
