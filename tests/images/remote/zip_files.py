"""Small images, and zip archives of them, for the tests."""

import io
import zipfile
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image


@lru_cache
def picture(number: int, image_format: str = "JPEG") -> bytes:
    """Return an image file that differs for every number."""
    file = io.BytesIO()
    colour = (number % 251, number * 7 % 251, number * 13 % 251)
    Image.linear_gradient("L").resize((24, 16 + number % 8)).convert("RGB").point(
        [min(255, value + part // 4) for part in colour for value in range(256)]
    ).save(file, format=image_format)
    return file.getvalue()


def zip_of(
    members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED, *, zip64: bool = False, comment: bytes = b""
) -> bytes:
    """Return an archive with the members in this order; `zip64` writes their sizes as for files over 4 GiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as member:
                member.write(content)
    return file.getvalue()
