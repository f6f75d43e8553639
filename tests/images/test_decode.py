"""A picture is judged as Qwen's image processor treats it; each conversion keeps every pixel."""

import io
import random
import warnings
from pathlib import Path

import pytest
from hard_pictures import ANIMATIONS, UNUSABLE, USABLE, animation, encoded, exif, grey16, huge, noise
from PIL import Image
from vlm_sft.images.decode import Unusable, as_png, judge, suffix_of

# As in a preparation: Pillow's warnings about metadata are not shown.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Training does not end, but gets no picture, a part of one, or a black or white one; or needs too much memory.
TAKEN_BY_QWEN = {
    "wrong checksum",
    "too few rows",
    "too few interlaced rows",
    "postscript",
    "108 megapixels",
    "float over 255",
    "float up to 1",
}

ROTATED = {
    2: lambda image, x, y: image.getpixel((image.width - 1 - x, y)),
    3: lambda image, x, y: image.getpixel((image.width - 1 - x, image.height - 1 - y)),
    4: lambda image, x, y: image.getpixel((x, image.height - 1 - y)),
    5: lambda image, x, y: image.getpixel((y, x)),
    6: lambda image, x, y: image.getpixel((y, image.height - 1 - x)),
    7: lambda image, x, y: image.getpixel((image.width - 1 - y, image.height - 1 - x)),
    8: lambda image, x, y: image.getpixel((image.width - 1 - y, x)),
}  # orientation -> the pixel of the stored picture that stands at (x, y) of the upright one


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def qwen(content: bytes, path: Path) -> Image.Image:
    """Return what ms-swift's template for Qwen hands to the model's processor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qwen_vl_utils import fetch_image

        path.write_bytes(content)
        image = fetch_image({"image": str(path)}, image_patch_size=16)
    assert isinstance(image, Image.Image)
    return image


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_picture_has_a_reason(name: str) -> None:
    make, reason, detail = UNUSABLE[name]
    with pytest.raises(Unusable) as caught:
        judge(io.BytesIO(make()))
    assert (caught.value.reason, str(caught.value)) == (reason, detail)


@pytest.mark.parametrize("name", USABLE)
def test_a_usable_picture_stays_as_it_is(name: str) -> None:
    make, suffix = USABLE[name]
    judgement = judge(io.BytesIO(make()))
    assert (judgement.suffix, judgement.conversions, judgement.notes) == (suffix, (), ())
    assert suffix_of(make()) == suffix


def test_qwens_processor_takes_what_is_usable_and_no_other(tmp_path: Path) -> None:
    for name, (make, _) in USABLE.items():
        assert qwen(make(), tmp_path / "image"), name
    for name in UNUSABLE.keys() - TAKEN_BY_QWEN:
        with pytest.raises((OSError, ValueError, SyntaxError, IndexError)):
            qwen(UNUSABLE[name][0](), tmp_path / "image")


@pytest.mark.parametrize("image_format", ANIMATIONS)
def test_an_animation_is_noted(image_format: str) -> None:
    assert judge(io.BytesIO(animation(image_format))).notes == ("animation",)


def test_a_huge_picture_is_refused_before_its_pixels_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    content = huge()
    monkeypatch.setattr("PIL.Image.Image.load", refuse)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    with pytest.raises(Unusable, match="108000000 pixels"):
        judge(io.BytesIO(content))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", ROTATED)
def test_each_exif_orientation_is_turned_upright_with_the_same_pixels(orientation: int, image_format: str) -> None:
    content = encoded(noise((9, 5)), image_format, exif=exif(orientation))
    assert judge(io.BytesIO(content)).conversions == ("rotated",)
    stored, upright = opened(content), opened(as_png(io.BytesIO(content)))
    assert upright.size == ((9, 5) if orientation < 5 else (5, 9))
    assert [upright.getpixel((x, y)) for y in range(upright.height) for x in range(upright.width)] == [
        ROTATED[orientation](stored, x, y) for y in range(upright.height) for x in range(upright.width)
    ]
    assert judge(io.BytesIO(as_png(io.BytesIO(content)))).conversions == ()


def test_a_tiff_is_turned_upright_once() -> None:
    """Pillow turns it, and so does the training."""
    assert opened(encoded(noise(), "TIFF", exif=exif(6))).size == (48, 64)


def test_a_rotated_cmyk_picture_has_the_colours_of_training(tmp_path: Path) -> None:
    content = encoded(noise((64, 64)).convert("CMYK"), "JPEG", exif=exif(3))
    upright = opened(as_png(io.BytesIO(content)))
    assert upright.tobytes() == qwen(content, tmp_path / "1.jpg").transpose(Image.Transpose.ROTATE_180).tobytes()


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_high_byte(image_format: str, tmp_path: Path) -> None:
    content = grey16(image_format)
    assert judge(io.BytesIO(content)).conversions == ("grey16",)
    stored = random.Random(2).randbytes(64 * 48 * 2)
    converted = opened(as_png(io.BytesIO(content)))
    assert (converted.mode, converted.tobytes()) == ("L", stored[1::2])
    white = [set(qwen(one, tmp_path / "1").get_flattened_data()) for one in (content, as_png(io.BytesIO(content)))]
    assert len(white[0]) < 100, "nearly all white as it is"
    assert len(white[1]) > 200


def test_16_bit_grey_with_an_orientation_gets_both_conversions() -> None:
    content = encoded(Image.frombytes("I;16", (2, 1), b"\x01\x10\x02\x20"), "PNG", exif=exif(3))
    assert judge(io.BytesIO(content)).conversions == ("rotated", "grey16")
    assert opened(as_png(io.BytesIO(content))).tobytes() == b"\x20\x10"


def test_the_same_picture_converts_to_the_same_bytes() -> None:
    content = encoded(noise(), "JPEG", exif=exif(6))
    assert as_png(io.BytesIO(content)) == as_png(io.BytesIO(content))


def test_hostile_bytes_are_judged_and_never_raise_anything_else() -> None:
    generator = random.Random(9)
    seeds = [make() for make, _ in USABLE.values()] + [animation(name) for name in ANIMATIONS] + [grey16()]
    outcomes: set[str] = set()
    details: list[str] = []
    for _ in range(1500):
        content = bytearray(generator.choice(seeds))
        for _ in range(generator.randrange(1, 8)):
            at = generator.randrange(len(content))
            content[at : at + generator.randrange(1, 5)] = generator.randbytes(generator.randrange(1, 5))
        if generator.random() < 0.3:
            del content[generator.randrange(len(content)) :]
        try:
            judgement = judge(io.BytesIO(content))
            if judgement.conversions:
                as_png(io.BytesIO(content))
            outcomes.add("usable")
        except Unusable as problem:
            outcomes.add(problem.reason)
            details.append(str(problem))
    assert not [detail for detail in details if "0x" in detail], "an address differs from run to run"
    assert outcomes >= {"usable", "image_unknown_format", "image_unreadable"}


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_at_one_eighth_shows_the_same_damage_as_the_whole(*, progressive: bool) -> None:
    generator = random.Random(4)
    whole = encoded(noise((160, 120)), "JPEG", progressive=progressive, quality=80)
    differences = []
    for _ in range(300):
        content = bytearray(whole)
        if generator.random() < 0.5:
            del content[generator.randrange(len(content)) :]
        else:
            at = generator.randrange(len(content))
            content[at : at + generator.randrange(200)] = generator.randbytes(generator.randrange(200))
        differences.append(_is_whole(bytes(content)) != _is_usable(bytes(content)))
    assert not any(differences)


def _is_whole(content: bytes) -> bool:
    try:
        opened(content)
    except Exception:  # any, as in judge
        return False
    return True


def _is_usable(content: bytes) -> bool:
    try:
        judge(io.BytesIO(content))
    except Unusable as problem:
        return problem.reason in ("image_too_narrow", "image_too_large")
    return True
