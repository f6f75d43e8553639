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


# Rows that the options, or the form of a sample, exclude. They are counted as dropped, but not in the drop share.
CHOICES = frozenset(
    {
        "source_not_selected",
        "no_revision",
        "plain_row",
        "revision_refused",
        "answer_not_best",
        "prompt_unanswered",
        "language_not_selected",
        "message_not_reviewed",
        "message_below_dropped",
    }
)

REASONS = {
    "invalid_json": "the line is not JSON",
    "row_not_an_object": "the row is not a JSON object",
    "no_image": "no image path",
    "no_question": "no question, or only an image tag",
    "no_answers": "no conversation, or one without an answer",
    "turn_malformed": "an entry of the conversation has no known role or no text",
    "roles_do_not_alternate": "the model's answers and the user's replies do not alternate, answer first",
    "teacher_dialogue": "the answers are scores: the teacher's side of a dialogue",
    "empty_answer": "an answer is empty",
    "empty_feedback": "a user's reply before a later answer is empty",
    "image_path_unsafe": "the image path leads out of every image root, or has a scheme such as file://",
    "image_missing": "no such file under any image root",
    "image_outside_root": "the image is a link that leads out of every image root",
    "image_empty": "the image file has 0 bytes",
    "image_unknown_format": "the file is not an image of a known format, or its header is damaged",
    "image_unreadable": "the pixels of the image are missing or damaged, or the file cannot be read",
    "image_too_large": "the image has more than 89.5 megapixels, the limit of Pillow against decompression bombs",
    "image_too_narrow": "the longer side of the image is more than 200 times the shorter one, which Qwen refuses",
    "image_scale_unknown": "the image has 32-bit values, and nothing shows which of them is white",
    "image_data_broken": "the image is a data URI that does not decode",
    "image_not_fetched": "the image is a URL that cannot be fetched, or a file of more than 64 MiB",
    "image_offline": "the image is a URL, and HF_HUB_OFFLINE is set",
    "image_tag_in_text": "a text contains an image tag that stands for no image and could not be removed",
    "control_character": "a text contains a control character other than tab and line breaks: it is damaged",
    "invalid_unicode": "a text contains half a surrogate pair, which no tokenizer reads",
    "special_token_in_text": "a text contains a control token of a chat template, such as <|im_end|>",
    "shape_unknown": "the row has no messages, no prompt with a completion, and no text",
    "column_missing": "the row lacks a column that --map names",
    "tool_turn": "the conversation has calls of tools, which only ms-swift's own reader takes: name the file in "
    "train.dataset",
    "column_unread": "the row has videos, sounds, boxes, tools or weights, which only ms-swift's own reader takes: "
    "name the file in train.dataset, or the columns to use with --map",
    "image_malformed": "an image is no path, URL, data URI or bytes",
    "image_tags_differ": "the texts have another number of <image> tags than the row has images",
    "ragged_row": "the line has more or fewer cells than the header",
    "header_repeated": "the line repeats the names of the columns: several files were joined",
    "tool_prompt": "the question has a tool prompt in front: slime's multi-turn example has overwritten the file",
    "choices_unreadable": "the choices are not a list of 2 to 26 texts or numbers",
    "choice_empty": "a choice is empty",
    "answer_unreadable": "the right answer is neither the index nor the letter of a choice",
    "answer_out_of_range": "the right answer is the index or letter of no choice",
    "answer_ambiguous": "two choices have the text of the right answer",
    "row_unreadable": "a value of the row cannot be read, such as a text that is not UTF-8",
    "prompt_malformed": "a critique or revise prompt without its question, answer or feedback",
    "critique_without_revision": "a critique that no revise row of the image uses",
    "decide_without_revision": "a choice between two answers that are in no revise row of the image",
    "decide_unreadable": "the choice between two answers is neither A nor B",
    "duplicate_row": "an earlier row of the group is the same, or decides on the same answers",
    "no_trained_answer": "the row excludes all its answers from the loss",
    "message_deleted": "the message was deleted by its authors' platform",
    "message_repeated": "a message of its tree has the same message_id",
    "message_without_parent": "the message before it is missing, has the same role, or is on a cycle",
    "answer_not_best": "by choice: --threads best uses another path of its tree",
    "prompt_unanswered": "by choice: a last prompt without an answer",
    "message_not_reviewed": "by choice: no reviewer has accepted the message; --unreviewed uses it",
    "message_below_dropped": "by choice: a message before it is dropped",
    "language_not_selected": "by choice: its language is not among --languages",
    "source_not_selected": "by choice: its source is not among --sources",
    "plain_row": "by choice: neither a critique, a revision nor a decision, and --as trajectories joins only these",
    "revision_refused": "by choice: a decide row prefers the answer before it, and --as trajectories follows it",
    "no_revision": "by choice: only one answer, and --loss revisions trains on later answers only",
}
