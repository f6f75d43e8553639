"""Image tokens are those of the model's own processor."""

import random

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.sizing.image_tokens import PixelLimits, image_tokens, limits, most_tokens, resized
from vlm_sft.genvalues.sizing.known_models import find_shape
from vlm_sft.genvalues.sizing.shape import VisionShape


def vision(model: str) -> VisionShape:
    found = find_shape(model).vision
    assert found is not None
    return found


QWEN3, QWEN25 = vision("Qwen/Qwen3-VL-8B-Instruct"), vision("Qwen/Qwen2.5-VL-7B-Instruct")


def sizes() -> list[tuple[int, int]]:
    chosen = random.Random(0)
    return [(chosen.randint(25, 5000), chosen.randint(25, 5000)) for _ in range(2000)] + [(1, 200), (200, 1), (32, 32)]


@pytest.mark.parametrize("tower", [QWEN3, QWEN25], ids=["qwen3-vl", "qwen2.5-vl"])
@pytest.mark.parametrize("highest_tokens", [4, 1280, 2048, 16384])
def test_sizes_are_those_that_ms_swift_loads(tower: VisionShape, highest_tokens: int) -> None:
    """ms-swift resizes with qwen-vl-utils before the processor sees the image."""
    from qwen_vl_utils.vision_process import smart_resize

    side = tower.patch_px * tower.merge
    bounds = PixelLimits(4 * side**2, highest_tokens * side**2)
    for height, width in sizes():
        theirs = smart_resize(height, width, side, bounds.lowest, bounds.highest)
        if min(theirs) > 0:  # qwen-vl-utils makes a very long image 0 pixels high, which no processor takes
            assert resized(height, width, side, bounds) == theirs, (height, width)


@pytest.mark.parametrize("tower", [QWEN3, QWEN25], ids=["qwen3-vl", "qwen2.5-vl"])
def test_tokens_are_those_of_the_processor(tower: VisionShape) -> None:
    import torch
    from transformers import Qwen2VLImageProcessor

    side = tower.patch_px * tower.merge
    bounds = PixelLimits(4 * side**2, 64 * side**2)
    processor = Qwen2VLImageProcessor(
        patch_size=tower.patch_px,
        merge_size=tower.merge,
        size={"shortest_edge": bounds.lowest, "longest_edge": bounds.highest},
    )
    chosen = random.Random(1)
    for _ in range(60):
        height, width = chosen.randint(side, 700), chosen.randint(side, 700)
        image = torch.zeros(3, height, width, dtype=torch.uint8)
        grid = processor(images=[image], return_tensors="pt")["image_grid_thw"][0]
        tokens = int(grid.prod()) // tower.merge**2
        assert image_tokens(height, width, tower, bounds) == tokens, (height, width)


def test_limits_come_from_the_variables_that_ms_swift_reads() -> None:
    assert limits(QWEN3, {"IMAGE_MAX_TOKEN_NUM": "2048"}) == PixelLimits(4 * 32**2, 2048 * 32**2)
    assert limits(QWEN25, {"MAX_PIXELS": "1003520"}) == PixelLimits(4 * 28**2, 1003520)
    assert most_tokens(QWEN25, limits(QWEN25, {"MAX_PIXELS": "1003520"})) == 1280
    assert most_tokens(QWEN3, limits(QWEN3, {})) == 16384


def test_a_limit_that_is_no_number_is_named() -> None:
    with pytest.raises(UserError, match=r"^train.env.MAX_PIXELS: 'many' is no number of pixels or tokens$"):
        limits(QWEN25, {"MAX_PIXELS": "many"})


def test_too_long_an_image_is_refused_as_the_processor_refuses_it() -> None:
    with pytest.raises(UserError, match=r"^image of 201x1: the processor refuses sides more than 200 to 1 apart$"):
        resized(1, 201, 32, PixelLimits(0, 10**6))
