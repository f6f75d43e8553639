"""The images in a field of a row, as Parquet files and `datasets` hold them."""

from vlm_sft.datasets.conversation import Image

LONGEST_PATH = 4096  # [characters] on Linux; a longer text is an image in base64
BASE64 = "data:;base64,"


def images_of(field: object) -> tuple[Image, ...]:
    """Return the image, or the list of images, of a field; empty if there is none, or one of the list is none.

    An image is its bytes, a path, a URL, a data URI, base64, or {"bytes": ..., "path": ...}, where the bytes have
    priority.
    """
    images = [_image(entry) for entry in field] if isinstance(field, list | tuple) else [_image(field)]
    found = tuple(image for image in images if image is not None)
    return found if len(found) == len(images) else ()


def _image(entry: object) -> Image | None:
    if isinstance(entry, dict):
        content = entry.get("bytes")
        if isinstance(content, str):  # from JSON, which has no bytes
            return BASE64 + content
        entry = entry.get("path") if content is None else content
    if not isinstance(entry, str):
        return entry if isinstance(entry, bytes) else None
    text = entry.strip()
    return BASE64 + text if len(text) > LONGEST_PATH and ":" not in text[:LONGEST_PATH] else text or None
