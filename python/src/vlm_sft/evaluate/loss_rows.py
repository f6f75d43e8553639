"""Loss of the references, row by row, with ms-swift's own template and loss mask; run as a script, one process per GPU.

    python loss_rows.py ROWS.jsonl RESULTS.jsonl --model ... --template ...

A line of RESULTS: {"loss_sum": 34.1, "tokens": 12}, or {"error": "..."} if the row cannot be encoded.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from swift.arguments import InferArguments
from swift.pipelines.utils import prepare_model_template
from swift.utils import parse_args, to_device

IGNORED = -100  # label of a token that is not trained on


def loss_of(model: Any, template: Any, row: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - no types in ms-swift
    """Return the summed cross-entropy of a row's target tokens, and their number."""
    encoded = template.encode(row, return_length=True)
    batch = to_device(template.data_collator([encoded]), model.device)
    labels = batch.pop("labels")
    batch.pop("loss_scale", None)
    with torch.inference_mode():
        logits = model(**batch).logits
    shifted = labels[:, 1:].to(logits.device)
    kept = shifted != IGNORED
    picked = logits[:, :-1][kept].float()
    loss = torch.nn.functional.cross_entropy(picked, shifted[kept], reduction="sum")
    return {"loss_sum": loss.item(), "tokens": int(kept.sum())}


def main() -> None:
    """Read the rows, write one line for each."""
    rows, results, *arguments = sys.argv[1:]
    args, unknown = parse_args(InferArguments, arguments)
    if unknown:
        sys.exit(f"error: evaluate.args: ms-swift has no argument {unknown[0]}; remove it")
    model, template = prepare_model_template(args)
    template.set_mode("train")
    template.register_post_encode_hook([model])  # images -> embeddings
    model.eval()
    with Path(rows).open(encoding="utf-8") as lines, Path(results).open("a", encoding="utf-8") as file:
        for line in lines:
            try:
                row = loss_of(model, template, json.loads(line))
            except (ValueError, OSError) as error:  # what ms-swift raises for a row that it cannot encode
                row = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
            file.write(json.dumps(row) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
