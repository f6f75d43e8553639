"""Judge a picture by what Qwen's image processor does with it in ms-swift: as it is, converted without loss, or not.

The processor opens a file with Pillow, converts it to RGB and resizes it. It refuses a side ratio over 200, ignores the
EXIF orientation of every format but TIFF, and clips 16-bit grey to white (qwen_vl_utils.fetch_image and smart_resize).
"""

import errno
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from vlm_sft.images.png_rows import lacks_rows

MAX_SIDE_RATIO = 200  # smart_resize refuses more
JPEG_SHRINK = (1, 1)  # requested size [pixels]; libjpeg uses its smallest scale, 1/8, and still reads every byte
LARGE_PIXELS = 4_000_000  # 16 MB; a process decodes one larger picture at a time
LARGE = threading.Lock()
MAX_VALUE = 255  # larger values are clipped to white
PNG_COMPRESSION = 1  # five times as fast as the default 6, files 15 % larger
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")

# Image file formats that a dataset may have. Others, such as EPS, which runs a program, are not opened.
SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "JPEG2000": ".jp2",
    "ICO": ".ico",
    "PPM": ".ppm",
}
FORMATS = tuple(SUFFIXES)
MPO = "MPO"  # a JPEG of several pictures, as cameras write it; Pillow opens it as JPEG

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation -> what turns the pixels upright

# Between MAX_IMAGE_PIXELS and twice as many, Pillow only warns.
warnings.simplefilter("error", Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about metadata, which training ignores


class Unusable(Exception):  # noqa: N818  named after the result
    """A picture that training cannot use. `reason` is a key of REASONS; the text is the detail, without a file name."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Judgement:
    """What must be known of a picture that training can use."""

    suffix: str  # of its real format, ".jpg"
    conversions: tuple[str, ...]  # needed before training: rotated, grey16
    notes: tuple[str, ...]  # animation: only the first of several frames is used


def judge(file: BinaryIO) -> Judgement:
    """Judge the picture in a seekable file, whatever its bytes are.

    A JPEG is decoded at one eighth of its size, which finds the same damage as the whole size in less than half of the
    time. A PNG's checksums are verified, and its pixels decoded like those of any other format.

    Raises:
        Unusable: see the class.
        OSError: the file cannot be read, or the memory is not enough.
    """
    with _problems_named():
        if not file.read(1):
            raise Unusable("image_empty", "0 bytes")
        file.seek(0)
        with Image.open(file, formats=FORMATS) as image:
            if image.format != "PNG":
                return _judge_pixels(image)
            if not image.tile:
                raise Unusable("image_unreadable", "a PNG without pixels")
            image.verify()  # reads every chunk up to IEND; Image.load() stops after the pixels
        file.seek(0)
        with Image.open(file, formats=FORMATS) as image:
            judgement = _judge_pixels(image)
            last_row = (0, image.height - 1, image.width, image.height)
            may_be_short = image.info.get("interlace") or image.crop(last_row).getbbox() is None
        if may_be_short and lacks_rows(file):
            raise Unusable("image_unreadable", "the last rows of pixels are missing")
        return judgement


def suffix_of(content: bytes) -> str:
    """Return the suffix of a picture's real format by its header alone; `.bin` if there is none."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _suffix(image)
    except Exception:  # as in judge
        return ".bin"


def as_png(file: BinaryIO) -> bytes:
    """Return a picture as PNG, upright and with 8 bits per value; no pixel is lost.

    16-bit grey keeps its high byte, as Pillow does with 16-bit colour.

    Raises:
        Unusable, OSError: as for `judge`.
    """
    file.seek(0)
    with _problems_named(), Image.open(file, formats=FORMATS) as opened, _turn(opened):
        orientation = _orientation(opened)
        opened.load()  # turns a TIFF upright
        image: Image.Image = opened
        if opened.format != "TIFF" and orientation in UPRIGHT:
            image = image.transpose(UPRIGHT[orientation])
        if _is_grey16(image):
            image = image.convert("I").point([value >> 8 for value in range(1 << 16)], "L")
            image.info.pop("transparency", None)  # a 16-bit value
        elif image.mode not in PNG_MODES:
            image = image.convert("RGB")
        image.info.pop("icc_profile", None)  # not used in training
        written = io.BytesIO()
        image.save(written, "PNG", compress_level=PNG_COMPRESSION)
    return written.getvalue()


@contextmanager
def _problems_named() -> Iterator[None]:
    """Turn whatever Pillow raises into Unusable; errors of the operating system stay."""
    try:
        yield
    except Unusable:
        raise
    except UnidentifiedImageError:
        raise Unusable("image_unknown_format", "not an image of a known format") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Unusable("image_too_large", str(error).partition(",")[0]) from None
    except MemoryError:
        raise OSError(errno.ENOMEM, "not enough memory to decode the image") from None
    except Exception as error:  # Pillow's plugins raise any exception on damaged bytes
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Unusable("image_unreadable", _text_of(error)) from None


def _judge_pixels(image: Image.Image) -> Judgement:
    if max(image.size) > MAX_SIDE_RATIO * min(image.size):
        raise Unusable("image_too_narrow", f"{image.width}x{image.height}, a side ratio over {MAX_SIDE_RATIO}")
    image.draft("L", JPEG_SHRINK)  # nothing for other formats
    with _turn(image):
        orientation, is_tiff = _orientation(image), image.format == "TIFF"
        image.load()
    conversions = ["rotated"] * (orientation in UPRIGHT and not is_tiff)
    if _is_grey16(image):
        conversions += ["grey16"] * (image.convert("I").getextrema()[1] > MAX_VALUE)  # type: ignore[operator]
    elif image.mode in ("I", "F"):
        _check_scale(image)
    elif image.mode not in PNG_MODES:
        image.convert("RGB")  # may be impossible
    return Judgement(_suffix(image), tuple(conversions), ("animation",) * _has_frames(image))


def _turn(image: Image.Image) -> AbstractContextManager[object]:
    """Bound the memory of a process whose threads decode: one large picture at a time."""
    return LARGE if image.width * image.height > LARGE_PIXELS else nullcontext()


def _suffix(image: Image.Image) -> str:
    return SUFFIXES["JPEG" if image.format == MPO else str(image.format)]


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, if it is not readable. That of a PNG may follow its pixels."""
    if image.format == "PNG":
        image.load()
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # hostile EXIF; training ignores it
        return 1
    return orientation if isinstance(orientation, int) else 1


def _is_grey16(image: Image.Image) -> bool:
    return image.mode.startswith("I;16")


def _check_scale(image: Image.Image) -> None:
    """Refuse 32-bit values that become all black or all white: nothing in the file shows which value is white."""
    low, high = image.getextrema()
    is_share = image.mode == "F" and 0 < high <= 1  # type: ignore[operator]  # one band
    if not 0 <= low <= high <= MAX_VALUE or is_share:  # type: ignore[operator]
        raise Unusable("image_scale_unknown", f"32-bit values from {low:g} to {high:g}")


def _has_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False)) and image.format != MPO
    except Exception:  # a damaged second frame is not used
        return False


def _text_of(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return text if text and isinstance(error, OSError | SyntaxError | ValueError) else f"{type(error).__name__}: {text}"
