"""Rows of a file that is not JSONL with messages (Alpaca, CSV, ShareGPT, ...), as ms-swift's own loader reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError


def swift_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield each row with its messages and images.

    Raises:
        ConfigError: ms-swift reads no conversation from the file.
    """
    from swift.dataset import load_dataset

    try:
        dataset = load_dataset([str(path)], split_dataset_ratio=0.0, shuffle=False, strict=True, use_hf=True)[0]
    except Exception as error:  # ms-swift and its libraries raise anything
        reason = " ".join(str(error).split())[:200]
        way_out = "run `vlm-sft check`, or convert it with `vlm-sft prepare jsonl`"
        raise ConfigError(f"{path}: ms-swift cannot read it: {reason}; {way_out}") from error
    for row in dataset or ():
        messages = [{k: v for k, v in message.items() if v is not None} for message in row["messages"]]
        yield {"messages": messages, "images": row.get("images") or []}
