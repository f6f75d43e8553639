r"""Texts of untrusted rows, for every adapter: image tags taken out, missing values recognised, other tags found.

ms-swift 4.6 reads only the tags of media that a row has, letter by letter: `<Image>`, `<video>` or `<bbox>` in a row
with one image stay in the text as typed. Such tags are left alone and counted, because nobody knows what they stand
for. Texts are otherwise not changed: no Unicode normalisation.
"""

import re

IMAGE_TAG = "<image>"
# The tag as other tools write it: < Image >, and Qwen-VL's <img>PATH</img>. Possessive (*+): no backtracking.
ANY_IMAGE_TAG = re.compile(r"<(?:\s*+image\s*+>|img>[^<>\n]*+</img>)", re.IGNORECASE)
_TAGS_AND_SPACE = re.compile(rf"(?<!\s)\s*+(?:{ANY_IMAGE_TAG.pattern}\s*+)+", re.IGNORECASE)
# Special words of ms-swift's templates, image tags of other tools, and Mistral's [IMG].
FOREIGN_TAG = re.compile(
    r"</?(?:video|audio|bbox|ref-object|cot-process|start-image|img|image ?\d{1,3})>|\[IMG\]", re.IGNORECASE
)
MISSING = frozenset({"nan", "NaN", "None", "null", "NULL", "<NA>", "NaT"})  # as pandas and JSON write a missing value


def given(field: object) -> str:
    """Return a field's text; an empty text if it is no text, or only the mark of a missing value such as nan."""
    return field if isinstance(field, str) and field.strip() not in MISSING else ""


def clean(text: str) -> str:
    r"""Remove image tags and outer whitespace: "reads <image> here" is "reads here", "a\n<image>\nb" is "a\nb"."""
    rest = text.removeprefix(IMAGE_TAG)
    return _TAGS_AND_SPACE.sub(_joint, rest).strip() if "<" in rest else rest.strip()


def _joint(tags: re.Match[str]) -> str:
    """Return what replaces tags and the whitespace around them: the longest paragraph break among it, or a space."""
    space = ANY_IMAGE_TAG.split(tags[0])
    return "\n" * max(part.count("\n") for part in space) or " " * any(space)


def foreign_tags(text: str) -> set[str]:
    """Return the tags in lower case that the model reads as typed because no image, video or box stands for them."""
    if "<" not in text and "[" not in text:
        return set()
    return {tag.lower() for tag in FOREIGN_TAG.findall(text)}
