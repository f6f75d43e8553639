"""An image as a dataset names it: a path, a URL or a data URI. One picture has one spelling."""

import re

URL = re.compile(r"https?://", re.IGNORECASE)
DATA_URI = re.compile(r"data:", re.IGNORECASE)
OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://|file:", re.IGNORECASE)


def is_path(image: str) -> bool:
    """True for a path: neither a URL of any scheme nor a data URI."""
    return not (URL.match(image) or DATA_URI.match(image) or OTHER_SCHEME.match(image))


def first_folder(image: str) -> str:
    """Return what tells where an image comes from: the first folder of a normalised path, or the host of a URL."""
    if DATA_URI.match(image):
        return "(data URI)"
    if is_path(image):
        folder, slash, _ = image.partition("/")
        return folder if slash else "(no folder)"
    return image.partition("//")[2].partition("/")[0] or "(no host)"


def normalised(image: str) -> str:
    r"""Return the one spelling of a path: `.\coco//./1.jpg` becomes `coco/1.jpg`. URLs and data URIs stay as they are.

    A `..` stays, because it is refused; a path that starts with a slash stays absolute.
    """
    if not ("\\" in image or "//" in image or "./" in image or image.endswith(("/", "/.")) or image == "."):
        return image
    if not is_path(image):
        return image
    parts = [part for part in re.split(r"[/\\]", image) if part not in ("", ".")]
    return "/" * image.startswith(("/", "\\")) + "/".join(parts)
