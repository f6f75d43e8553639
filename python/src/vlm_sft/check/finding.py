"""What can be wrong with a row, what ms-swift then does, and the way out."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Effect = Literal["file", "lost", "spoiled", "note"]
EFFECTS: dict[Effect, str] = {
    "file": "ms-swift cannot load the file",
    "lost": "rows that are not trained on",
    "spoiled": "rows that are not trained on as written",
    "note": "harmless, or for you to judge",
}
PREPARE = "vlm-sft prepare jsonl --input {file} --image-root DIR --output-dir DIR"


class Kind(NamedTuple):
    """One kind of finding."""

    effect: Effect
    reason: str
    way_out: str = PREPARE


KINDS = {
    "wrong_suffix": Kind("file", "ms-swift chooses the reader by the suffix; need .jsonl or .json", "rename the file"),
    "before_array": Kind("file", "a byte order mark or blanks stand before the array", PREPARE),
    "not_utf8": Kind("file", "the line is not UTF-8", "convert the file: iconv -f ENCODING -t UTF-8 {file}"),
    "not_json": Kind("file", "the line is not JSON", "repair or delete the line"),
    "not_an_object": Kind("file", "the row is not a JSON object", "repair or delete the line"),
    "lone_surrogate": Kind("file", "a text holds half of a surrogate pair", "repair or delete the line"),
    "bom_inside": Kind("file", "a byte order mark inside the file, where two files were joined", PREPARE),
    "too_deep": Kind("file", "nested deeper than the 62 levels that pyarrow reads", "remove the column"),
    "too_long": Kind("spoiled", "the line is too long to be checked", "write images as files, or delete the line"),
    "late_column": Kind("file", "a column that no row of the first 10 MB has"),
    "late_key": Kind("file", "a key that no object of the first 10 MB has"),
    "null_first": Kind("file", "null or empty in the first 10 MB, a value here"),
    "type_changes": Kind("file", "another type than in the first 10 MB"),
    "mixed_images": Kind("file", "texts and objects in one list of images"),
    "dates_only": Kind("lost", "all texts of the first 10 MB are dates, which pyarrow turns into numbers"),
    "number_among_texts": Kind(
        "spoiled", "not a text, as in the first 10 MB: every text of the same 10 MB gets quotation marks"
    ),
    "other_shape": Kind("lost", "the file is read by another shape's preprocessor, chosen from its columns"),
    "no_messages": Kind("lost", "no messages"),
    "messages_unreadable": Kind("lost", "messages is a text that is neither JSON nor a Python literal"),
    "message_malformed": Kind("lost", "a message is not an object with role and content"),
    "unknown_role": Kind("lost", "a role that ms-swift does not know"),
    "content_missing": Kind("lost", "a message without content"),
    "content_not_text": Kind("lost", "neither a text nor a list of content parts"),
    "role_order": Kind("lost", "a system message after the first one, or nothing but a system message"),
    "no_instruction": Kind("lost", "neither instruction nor input is a text"),
    "history_malformed": Kind("lost", "history is not a list of pairs"),
    "objects_malformed": Kind("lost", "objects needs bbox: a list of boxes of 2 or 4 numbers"),
    "rejected_malformed": Kind("lost", "no rejected answer, or the same as the chosen one"),
    "loss_scale_malformed": Kind("lost", "loss_scale is not a number"),
    "images_twice": Kind("lost", "images in the content and in a column"),
    "image_malformed": Kind("lost", "an image is neither a text nor an object with a path"),
    "image_missing": Kind("lost", "no such image file", "give --image-root, or fetch the images"),
    "image_undecodable": Kind("lost", "the image file does not decode", "fetch the image again"),
    "image_rotated": Kind("spoiled", "the camera's orientation is ignored: trained unrotated"),
    "image_grey16": Kind("spoiled", "16-bit grey is clipped: trained as white"),
    "image_scale": Kind("spoiled", "32-bit values that become all black or all white"),
    "image_too_large": Kind("spoiled", "over 89 megapixels: seconds and a GiB of memory each time, or an error"),
    "column_conflict": Kind("spoiled", "two columns have the same meaning, so ms-swift does not read this one"),
    "no_answer": Kind("spoiled", "no answer, so nothing is trained"),
    "no_question": Kind("spoiled", "an answer without a question; ms-swift puts an empty one before it"),
    "nothing_trained": Kind("spoiled", "every answer has loss false"),
    "loss_not_boolean": Kind("spoiled", "loss is neither true nor false; a text counts as true"),
    "empty_answer": Kind("spoiled", "an answer is empty"),
    "extra_image_tags": Kind("spoiled", "more <image> than images; the rest stays in the text"),
    "image_tag_in_answer": Kind("spoiled", "<image> in an answer or a system message puts an image there"),
    "media_tag": Kind("spoiled", "a tag without its medium stays in the text"),
    "control_token": Kind("spoiled", "a control token of the chat template in a text"),
    "nul_character": Kind("spoiled", "a NUL character in a text"),
    "nan_text": Kind("spoiled", "the text is a missing value of a table"),
    "not_encodable": Kind("lost", "the model's template fails on the row", "correct the row"),
    "over_max_length": Kind("lost", "longer than --max-length", "raise max_length, or shorten the rows"),
    "in_two_files": Kind("spoiled", "the same texts and images in another file", "remove them from one of the files"),
    "near_in_two_files": Kind("note", "nearly the same text in another file", "remove them from one of the files"),
    "duplicate": Kind("note", "the same texts and images as an earlier row"),
    "missing_image_tags": Kind("note", "fewer <image> than images; ms-swift puts the missing ones first"),
    "unused_objects": Kind("note", "more objects than <ref-object> or <bbox>"),
    "empty_question": Kind("note", "a question is empty"),
    "last_is_user": Kind("note", "the last message is not answered"),
    "image_url": Kind("note", "an image on the web; not checked, and every epoch loads it"),
    "image_animation": Kind("note", "only the first of several frames is used"),
    "not_a_number": Kind("note", "NaN or Infinity is not JSON; pyarrow reads it", "write null"),
    "byte_order_mark": Kind("note", "the file starts with a byte order mark"),
}


class Place(NamedTuple):
    """Where a finding is: the line of JSON lines, the row of an array; 0 is the file itself."""

    line: int
    field: str
    detail: str


@dataclass
class Findings:
    """Counts of every kind, and the first places of each."""

    places_kept: int
    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[Place]] = field(default_factory=dict)

    def add(self, kind: str, place: Place) -> None:
        """Count one finding."""
        self.counts[kind] += 1
        kept = self.places.setdefault(kind, [])
        if len(kept) < self.places_kept:
            kept.append(place)

    def extend(self, later: "Findings", line_offset: int) -> None:
        """Add the findings of a later part of the file, whose lines are counted from its own start."""
        self.counts.update(later.counts)
        for kind, places in later.places.items():
            kept = self.places.setdefault(kind, [])
            kept += [place._replace(line=place.line + line_offset) for place in places]
            del kept[self.places_kept :]
