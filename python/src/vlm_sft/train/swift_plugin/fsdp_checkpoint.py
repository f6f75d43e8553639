"""Completes FSDP2's checkpoints, for which ms-swift (4.6) writes only shards.

args.json describes what was trained. Without the two files of the adapter, ms-swift can neither resume a LoRA run nor
evaluate, export or serve it.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from peft import PeftModel
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict


def complete(model: torch.nn.Module, checkpoint: Path) -> None:
    """Write a LoRA adapter as one file, and then args.json, into the checkpoint. All ranks must call it."""
    if isinstance(model, PeftModel):
        options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
        gathered: dict[str, Any] = get_model_state_dict(model, options=options)  # on the first rank
        if dist.get_rank() == 0:
            # clone: on a CPU some tensors are still being gathered
            whole = {name: tensor.clone() for name, tensor in gathered.items()}
            model.save_pretrained(str(checkpoint), state_dict=whole, selected_adapters=["default"])
    if dist.get_rank() == 0:
        shutil.copy(checkpoint.parent / "args.json", checkpoint)
    dist.barrier()
