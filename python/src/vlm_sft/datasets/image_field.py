"""The images in a field of a row, as JSON, CSV, Parquet and the library `datasets` hold them."""

from math import isnan

from vlm_sft.datasets.conversation import Image
from vlm_sft.datasets.list_text import list_of
from vlm_sft.datasets.texts import given

LONGEST_PATH = 4096  # [characters] on Linux; a longer text is an image in base64
BASE64 = "data:;base64,"


def images_of(field: object) -> tuple[Image, ...] | None:
    """Return the images of a field, one or a list; none if the field is missing (null, NaN, "" or nan).

    None if an entry is no image. An image is its bytes, a path, a URL, a data URI, base64, or an object with "bytes",
    "path" or "url", of which the bytes have priority. A list may be a text, as in CSV; a text that is no list is one
    image, because a path or data URI may contain any separator.
    """
    if isinstance(field, str):
        listed = list_of(field)
        field = given(field).strip() or None if listed is None else listed
    if field is None or (isinstance(field, float) and isnan(field)):
        return ()
    found = []
    for entry in field if isinstance(field, list | tuple) else [field]:
        image = _image(entry)
        if image is None:
            return None
        found.append(image)
    return tuple(found)


def _image(entry: object) -> Image | None:
    if isinstance(entry, dict):
        content = entry.get("bytes")
        if isinstance(content, str) and content:  # from JSON, which has no bytes
            return BASE64 + content
        entry = content or entry.get("path") or entry.get("url")
    if not isinstance(entry, str):
        return entry if isinstance(entry, bytes) else None
    text = given(entry).strip()
    return BASE64 + text if len(text) > LONGEST_PATH and ":" not in text[:LONGEST_PATH] else text or None
