"""Image tokens: how many the decoder sees of one image at most, as the Qwen2-VL and Qwen3-VL processors resize it."""

from collections.abc import Mapping

from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.shape import VisionShape

MAX_TOKENS = 16384  # qwen-vl-utils: IMAGE_MAX_TOKEN_NUM


def token_side_px(vision: VisionShape) -> int:
    """Pixels per side of one decoder token: 28 for Qwen2.5-VL, 32 for Qwen3-VL."""
    return vision.patch_px * vision.merge


def max_image_tokens(vision: VisionShape, environment: Mapping[str, str]) -> int:
    """Return the limit that ms-swift's ENV block sets: MAX_PIXELS, else IMAGE_MAX_TOKEN_NUM (qwen-vl-utils).

    Raises:
        UserError: a variable is no number.
    """
    pixels = _number(environment, "MAX_PIXELS")
    return pixels // token_side_px(vision) ** 2 or _number(environment, "IMAGE_MAX_TOKEN_NUM") or MAX_TOKENS


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    try:
        return int(float(value)) if value != "" else 0
    except ValueError:
        raise UserError(f"train.env.{name}: {value!r} is no number of pixels or tokens") from None
