"""Image tokens: how many the decoder sees of one image, as the Qwen2-VL and Qwen3-VL processors resize it."""

import math
from dataclasses import dataclass

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.shape import VisionShape

MIN_TOKENS = 4  # qwen-vl-utils: IMAGE_MIN_TOKEN_NUM
MAX_TOKENS = 16384  # qwen-vl-utils: IMAGE_MAX_TOKEN_NUM
MAX_RATIO = 200  # of the sides; the processors refuse more


@dataclass(frozen=True)
class PixelLimits:
    """The area that an image is resized into, in pixels."""

    lowest: int
    highest: int


def token_side_px(vision: VisionShape) -> int:
    """Pixels per side of one decoder token: 28 for Qwen2.5-VL, 32 for Qwen3-VL."""
    return vision.patch_px * vision.merge


def limits(vision: VisionShape, environment: dict[str, str]) -> PixelLimits:
    """Return the limits that ms-swift's ENV block sets: IMAGE_MAX_TOKEN_NUM, or MAX_PIXELS for the older models.

    ms-swift reads MAX_PIXELS and MIN_PIXELS too (qwen-vl-utils divides them into tokens of its own side).
    """
    area = token_side_px(vision) ** 2
    lowest = _number(environment, "MIN_PIXELS") or area * (_number(environment, "IMAGE_MIN_TOKEN_NUM") or MIN_TOKENS)
    highest = _number(environment, "MAX_PIXELS") or area * (_number(environment, "IMAGE_MAX_TOKEN_NUM") or MAX_TOKENS)
    return PixelLimits(lowest, highest)


def resized(height_px: int, width_px: int, side_px: int, bounds: PixelLimits) -> tuple[int, int]:
    """Return the height and width after `smart_resize`: multiples of `side_px`, near the ratio, inside the bounds.

    Raises:
        UserError: the sides are more than 200 to 1 apart, which the processor refuses.
    """
    if max(height_px, width_px) > MAX_RATIO * min(height_px, width_px):
        raise UserError(
            f"image of {width_px}x{height_px}: the processor refuses sides more than {MAX_RATIO} to 1 apart"
        )
    height = max(side_px, round(height_px / side_px) * side_px)
    width = max(side_px, round(width_px / side_px) * side_px)
    if height * width > bounds.highest:
        shrink = math.sqrt(height_px * width_px / bounds.highest)
        height = max(side_px, math.floor(height_px / shrink / side_px) * side_px)
        width = max(side_px, math.floor(width_px / shrink / side_px) * side_px)
    elif height * width < bounds.lowest:
        grow = math.sqrt(bounds.lowest / (height_px * width_px))
        height = math.ceil(height_px * grow / side_px) * side_px
        width = math.ceil(width_px * grow / side_px) * side_px
    return height, width


def image_tokens(height_px: int, width_px: int, vision: VisionShape, bounds: PixelLimits) -> int:
    """Return the decoder tokens of one image, without the two that mark its start and end."""
    side = token_side_px(vision)
    height, width = resized(height_px, width_px, side, bounds)
    return height * width // side**2


def most_tokens(vision: VisionShape, bounds: PixelLimits) -> int:
    """Return the most tokens that one image can become."""
    return bounds.highest // token_side_px(vision) ** 2


def _number(environment: dict[str, str], name: str) -> int:
    value = environment.get(name, "")
    try:
        return int(float(value)) if value != "" else 0
    except ValueError:
        raise UserError(f"train.env.{name}: {value!r} is no number of pixels or tokens") from None
