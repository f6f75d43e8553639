"""A checkpoint folder as ms-swift writes it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file


@pytest.fixture
def make_checkpoint() -> Callable[..., Path]:
    """Return a function (run_dir, step, world_size=2) -> path that writes a checkpoint of a LoRA run under DDP."""

    def make(run_dir: Path, step: int, world_size: int = 2) -> Path:
        checkpoint = run_dir / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        save_file({"lora_A": np.ones((4, 2), np.float32)}, checkpoint / "adapter_model.safetensors")
        ranks = ["rng_state.pth"] if world_size == 1 else [f"rng_state_{rank}.pth" for rank in range(world_size)]
        for name in ["optimizer.pt", "scheduler.pt", *ranks]:
            with zipfile.ZipFile(checkpoint / name, "w") as archive:  # as torch.save does
                archive.writestr("archive/data.pkl", b"x" * 1000)
        (checkpoint / "args.json").write_text(json.dumps({"global_world_size": world_size}))
        (checkpoint / "adapter_config.json").write_text("{}")
        (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        return checkpoint

    return make
