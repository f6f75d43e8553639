"""Positions of a model: the length of the longest row that it was made for. Unit: tokens."""

from collections.abc import Mapping
from typing import Any


def positions(config: Mapping[str, Any]) -> int | None:
    """Return the positions in a config.json, with its own RoPE scaling; None where it does not tell."""
    text = config.get("text_config") or config.get("llm_config") or config
    known = text.get("max_position_embeddings") or text.get("n_positions")
    scaling = text.get("rope_parameters") or text.get("rope_scaling") or {}
    original, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
    if not isinstance(known, int):
        return None
    return max(known, int((original or known) * factor)) if isinstance(factor, int | float) else known


def too_long(args: Mapping[str, Any], known: int | None) -> str:
    """Return what is wrong with max_length, empty where nothing is; RoPE scaling gives a model more positions."""
    try:
        max_length = int(args.get("max_length") or 0)
    except (TypeError, ValueError, OverflowError):
        return ""  # reported as a wrong argument
    if known is None or max_length <= known or args.get("rope_scaling") or args.get("max_model_len"):
        return ""
    got = f"{max_length:.12g}"
    return f"got {got}, but the model has {known} positions; use at most {known}, or set rope_scaling"
