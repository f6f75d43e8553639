"""The positions in a config.json, as the publishers write them."""

from typing import Any

import pytest
from vlm_sft.positions import positions


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"n_positions": 1024}, 1024),
        ({"max_position_embeddings": 40960, "rope_scaling": None}, 40960),
        ({"text_config": {"max_position_embeddings": 262144, "rope_scaling": {"rope_type": "default"}}}, 262144),
        # Llama 3.1 has its scaling in both numbers; Qwen's YaRN only in the factor
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
            },
            131072,
        ),
        ({"max_position_embeddings": 32768, "rope_scaling": {"factor": 4.0, "type": "yarn"}}, 131072),
        ({}, None),
    ],
)
def test_a_model_tells_its_positions(config: dict[str, Any], expected: int | None) -> None:
    assert positions(config) == expected
