"""Image tokens are those of the model's own processor."""

import random

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.image_tokens import max_image_tokens, token_side_px
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.shape import VisionShape


def vision(model: str) -> VisionShape:
    found = find_shape(model).vision
    assert found is not None
    return found


QWEN3, QWEN25 = vision("Qwen/Qwen3-VL-8B-Instruct"), vision("Qwen/Qwen2.5-VL-7B-Instruct")


@pytest.mark.parametrize("tower", [QWEN3, QWEN25], ids=["qwen3-vl", "qwen2.5-vl"])
@pytest.mark.parametrize("limit_tokens", [16, 1280, 2048])
def test_no_image_becomes_more_tokens_than_the_limit_and_a_large_one_nearly_reaches_it(
    tower: VisionShape, limit_tokens: int
) -> None:
    """ms-swift resizes with qwen-vl-utils before the processor sees the image."""
    from qwen_vl_utils.vision_process import smart_resize

    side = token_side_px(tower)
    assert max_image_tokens(tower, {"IMAGE_MAX_TOKEN_NUM": str(limit_tokens)}) == limit_tokens
    chosen = random.Random(0)
    found = []
    for _ in range(2000):
        size = smart_resize(
            chosen.randint(25, 5000), chosen.randint(25, 5000), side, 4 * side**2, limit_tokens * side**2
        )
        found.append(size[0] * size[1] // side**2)
    assert 0.9 * limit_tokens < max(found) <= limit_tokens


def test_limits_come_from_the_variables_that_ms_swift_reads() -> None:
    assert max_image_tokens(QWEN3, {"IMAGE_MAX_TOKEN_NUM": "2048"}) == 2048
    assert max_image_tokens(QWEN25, {"MAX_PIXELS": "1003520"}) == 1280
    assert max_image_tokens(QWEN25, {"MAX_PIXELS": "1003520", "IMAGE_MAX_TOKEN_NUM": "7"}) == 1280
    assert max_image_tokens(QWEN3, {}) == 16384


def test_a_limit_that_is_no_number_is_named() -> None:
    with pytest.raises(UserError, match=r"^train.env.MAX_PIXELS: 'many' is no number of pixels or tokens$"):
        max_image_tokens(QWEN25, {"MAX_PIXELS": "many"})
