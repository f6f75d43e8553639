"""Train one step on each layout with ms-swift's template and collator, in float32; print summed loss and gradient.

    python layouts_probe.py MODEL FOLDER ARGUMENT...

FOLDER contains <name>_trajectory.jsonl and <name>_steps.jsonl. ARGUMENTs are a command of vlm-sft that runs first. It
runs in this process because importing ms-swift takes 15 s and changes the process that imports it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from swift.model import get_model_processor
from swift.template import get_template
from vlm_sft.cli import main as vlm_sft


def gradient(model: Any, template: Any, lines: list[str]) -> dict[str, Any]:
    """Sum the loss of every supervised token of all samples and the gradient of that sum."""
    model.zero_grad()
    loss, tokens, supervised = 0.0, 0, 0
    for line in lines:
        batch = template.data_collator([template.encode(json.loads(line))])
        labels = batch.pop("labels")
        logits = model(**{key: value for key, value in batch.items() if key != "loss_scale"}).logits
        wanted = labels[:, 1:] != -100
        sample_loss = torch.nn.functional.cross_entropy(logits[:, :-1][wanted], labels[:, 1:][wanted], reduction="sum")
        sample_loss.backward()
        loss += sample_loss.item()
        tokens += batch["input_ids"].shape[1]
        supervised += int(wanted.sum())
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
    return {"loss": loss, "input_tokens": tokens, "supervised_tokens": supervised, "gradient": flat.clone()}


def main(model_folder: str, folder: Path) -> None:
    """Compare the pairs of files."""
    torch.manual_seed(0)
    model, processor = get_model_processor(
        model_folder, use_hf=True, model_type="qwen3_vl", torch_dtype=torch.float32, attn_impl="eager"
    )
    model.eval()  # no dropout
    template = get_template(processor)
    template.set_mode("train")
    template.model = model
    template.register_post_encode_hook([model])  # as ms-swift's trainer does
    compared = {}
    for path in sorted(folder.glob("*_trajectory.jsonl")):
        name = path.name.removesuffix("_trajectory.jsonl")
        whole = gradient(model, template, path.read_text().splitlines())
        steps = gradient(model, template, (folder / f"{name}_steps.jsonl").read_text().splitlines())
        of_steps = steps.pop("gradient")
        difference = whole.pop("gradient") - of_steps
        compared[name] = {
            "trajectory": whole,
            "steps": steps,
            "gradient_difference": (difference.norm() / of_steps.norm()).item(),
            "loss_difference": abs(whole["loss"] - steps["loss"]) / steps["loss"],
        }
    print("RESULT " + json.dumps(compared))


if __name__ == "__main__":
    vlm_sft(sys.argv[3:], standalone_mode=False)
    main(sys.argv[1], Path(sys.argv[2]))
