"""FSDP2's shards of whole weights -> a Hugging Face folder. A separate process, because it needs torch and ms-swift.

python -m vlm_sft.export.fsdp_shards --checkpoint RUN_DIR/checkpoint-500 --output_dir RUN_DIR/export.tmp
"""

import json
from pathlib import Path

import click
import torch
from swift.model import get_model_processor, save_checkpoint
from torch.distributed.checkpoint.state_dict_loader import load

from vlm_sft.runs.checkpoint import FSDP_SHARDS


@click.command()
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True)
@click.option("--output_dir", required=True)
def convert(checkpoint: Path, output_dir: str) -> None:
    """Load the base model, replace its weights by those of the shards, and save it in its published format."""
    trained = json.loads((checkpoint / "args.json").read_bytes())
    model, processor = get_model_processor(
        trained["model"],
        torch_dtype=getattr(torch, trained["torch_dtype"]),
        device_map="cpu",
        use_hf=True,
        revision=trained["model_revision"],
        model_type=trained["model_type"],
        task_type=trained["task_type"],
    )
    load({"model": model.state_dict()}, checkpoint_id=checkpoint / FSDP_SHARDS, no_dist=True)
    extra = model.model_meta.additional_saved_files
    save_checkpoint(model, processor, output_dir, model_dirs=[str(checkpoint)], additional_saved_files=extra)


if __name__ == "__main__":
    convert()
