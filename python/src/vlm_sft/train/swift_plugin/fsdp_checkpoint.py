"""What FSDP2's checkpoints lack. They are shards alone, and ms-swift (4.6) writes nothing beside them.

Without args.json nobody knows what was trained, and without the adapter's two files a LoRA run cannot be resumed by
ms-swift, nor evaluated, exported or served.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from peft import PeftModel
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict


def complete(model: torch.nn.Module, checkpoint: Path) -> None:
    """Put a LoRA adapter as one file, and last of all args.json, beside the shards. All ranks call it."""
    if isinstance(model, PeftModel):
        options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
        gathered: dict[str, Any] = get_model_state_dict(model, options=options)  # on the first rank
        if dist.get_rank() == 0:
            whole = {
                name: tensor.clone() for name, tensor in gathered.items()
            }  # on a CPU some are still being gathered
            model.save_pretrained(str(checkpoint), state_dict=whole, selected_adapters=["default"])
    if dist.get_rank() == 0:
        shutil.copy(checkpoint.parent / "args.json", checkpoint)
    dist.barrier()
