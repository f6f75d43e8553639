"""Pictures that pass a careless check and then spoil or end a training, made by a few lines each."""

import base64
import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import ExifTags, Image


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (64, 48), seed: int = 0) -> Image.Image:
    """Return a colour picture that no rotation or loss leaves as it is."""
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    return tags


def grey16(image_format: str = "PNG") -> bytes:
    pixels = random.Random(2).randbytes(64 * 48 * 2)
    return encoded(Image.frombytes("I;16", (64, 48), pixels), image_format)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks, each with a right checksum."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


def header(width: int, height: int, interlaced: int = 0) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)


def rows(width: int, height: int) -> bytes:
    """Return compressed PNG rows, each with filter 0."""
    generator = random.Random(3)
    return zlib.compress(b"".join(b"\0" + generator.randbytes(width * 3) for _ in range(height)))


def interlaced_rows(count: int = 7) -> bytes:
    """Return the first `count` passes of 9x5 pixels."""
    passes = ((2, 1), (1, 1), (3, 1), (2, 2), (5, 1), (4, 3), (9, 2))  # columns, rows
    generator = random.Random(5)
    return zlib.compress(
        b"".join(b"\0" + generator.randbytes(columns * 3) for columns, n in passes[:count] for _ in range(n))
    )


def damaged_rows() -> bytes:
    data = bytearray(rows(64, 48))
    data[200:240] = b"\xff" * 40
    return bytes(data)


END = (b"IEND", b"")


def huge() -> bytes:
    """Return 108 megapixels in 13 kB; decoded to RGB, they take 0.3 GiB."""
    return encoded(Image.new("1", (12000, 9000)))


UNUSABLE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "empty": (lambda: b"", "image_empty", "0 bytes"),
    "web page": (lambda: b"<html>404</html>", "image_unknown_format", "not an image of a known format"),
    "zeros": (lambda: bytes(5000), "image_unknown_format", "not an image of a known format"),
    "signature only": (lambda: png()[:8], "image_unknown_format", "not an image of a known format"),
    "postscript": (
        lambda: encoded(noise(), "EPS"),
        "image_unknown_format",
        "not an image of a known format",
    ),
    "no pixels": (lambda: png(header(64, 48), END), "image_unreadable", "a PNG without pixels"),
    "short rows": (
        lambda: png(header(64, 48), (b"IDAT", rows(64, 48)[:5000]), END),
        "image_unreadable",
        "image file is truncated (0 bytes not processed)",
    ),
    "too few rows": (
        lambda: png(header(64, 48), (b"IDAT", rows(64, 30)[:3000]), (b"IDAT", rows(64, 30)[3000:]), END),
        "image_unreadable",
        "the last rows of pixels are missing",
    ),
    "too few interlaced rows": (
        lambda: png(header(9, 5, interlaced=1), (b"IDAT", interlaced_rows(6)), END),
        "image_unreadable",
        "the last rows of pixels are missing",
    ),
    "damaged rows": (
        lambda: png(header(64, 48), (b"IDAT", damaged_rows()), END),
        "image_unreadable",
        "unrecognized data stream contents when reading image file",
    ),
    "wrong checksum": (
        lambda: encoded(noise())[:-14] + b"\0\0" + encoded(noise())[-12:],
        "image_unreadable",
        "broken PNG file (bad header checksum in b'IDAT')",
    ),
    "cut JPEG": (
        lambda: encoded(noise(), "JPEG")[:-300],
        "image_unreadable",
        "image file is truncated (6 bytes not processed)",
    ),
    "ratio 201": (lambda: encoded(Image.new("RGB", (2010, 10))), "image_too_narrow", "2010x10, a side ratio over 200"),
    "ratio 201, upright": (
        lambda: encoded(Image.new("RGB", (10, 2001))),
        "image_too_narrow",
        "10x2001, a side ratio over 200",
    ),
    "108 megapixels": (huge, "image_too_large", "Image size (108000000 pixels) exceeds limit of 89478485 pixels"),
    "float over 255": (
        lambda: encoded(Image.new("F", (64, 48), 300.5), "TIFF"),
        "image_scale_unknown",
        "32-bit values from 300.5 to 300.5",
    ),
    "float up to 1": (
        lambda: encoded(Image.new("F", (64, 48), 0.5), "TIFF"),
        "image_scale_unknown",
        "32-bit values from 0.5 to 0.5",
    ),
}

USABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG": (lambda: encoded(noise(), "JPEG"), ".jpg"),
    "progressive JPEG": (lambda: encoded(noise(), "JPEG", progressive=True), ".jpg"),
    "CMYK JPEG": (lambda: encoded(noise().convert("CMYK"), "JPEG"), ".jpg"),
    "camera's MPO": (lambda: encoded(noise(), "MPO", save_all=True, append_images=[noise(seed=1)]), ".jpg"),
    "PNG": (lambda: encoded(noise()), ".png"),
    "1-bit PNG": (lambda: encoded(Image.new("1", (64, 48))), ".png"),
    "palette PNG": (lambda: encoded(noise().quantize(16)), ".png"),
    "PNG with transparency": (lambda: encoded(noise().convert("RGBA")), ".png"),
    "grey PNG with transparency": (lambda: encoded(noise().convert("LA")), ".png"),
    "16-bit PNG of small values": (lambda: encoded(Image.new("I;16", (64, 48), 255)), ".png"),
    "float TIFF": (lambda: encoded(Image.new("F", (64, 48), 127), "TIFF"), ".tif"),
    "rotated TIFF": (lambda: encoded(noise(), "TIFF", exif=exif(6)), ".tif"),
    "BMP": (lambda: encoded(noise(), "BMP"), ".bmp"),
    "GIF": (lambda: encoded(noise(), "GIF"), ".gif"),
    "WebP": (lambda: encoded(noise(), "WEBP"), ".webp"),
    "ICO": (lambda: encoded(noise(), "ICO"), ".ico"),
    "JPEG 2000": (lambda: encoded(noise(), "JPEG2000"), ".jp2"),
    "AVIF": (lambda: encoded(noise(), "AVIF"), ".avif"),
    "PNG with a black last row": (lambda: encoded(Image.new("L", (63, 48))), ".png"),
    "interlaced PNG": (lambda: png(header(9, 5, interlaced=1), (b"IDAT", interlaced_rows()), END), ".png"),
    "ratio 200": (lambda: encoded(Image.new("RGB", (2000, 10))), ".png"),
    "one pixel": (lambda: encoded(Image.new("RGB", (1, 1))), ".png"),
    "EXIF orientation 9": (lambda: encoded(noise(), "JPEG", exif=exif(9)), ".jpg"),
    "broken EXIF": (lambda: encoded(noise(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1"), ".jpg"),
}

ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")


def animation(image_format: str) -> bytes:
    return encoded(noise(), image_format, save_all=True, append_images=[noise(seed=1)])


def data_uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
