"""What evaluation, export and serving read from a finished run."""

import json
from pathlib import Path

from vlm_sft.errors import ConfigError
from vlm_sft.runs.checkpoint import FSDP_SHARDS
from vlm_sft.runs.megatron_checkpoint import is_of_megatron
from vlm_sft.runs.report import FILE, read_report

# The folder of an export, and the file in it that names its source: {"checkpoint": "RUN_DIR/checkpoint-500"}
EXPORT, MARKER = "export", "export.json"


def finished_checkpoint(run_dir: Path) -> Path:
    """Return the checkpoint of a finished run.

    Raises:
        ConfigError: the run is missing or not finished, or its checkpoint is gone.
    """
    report = read_report(run_dir)
    if report is None:
        way_out = "train first, or correct the run directory"
        raise ConfigError(f"{run_dir / FILE}: missing, so there is no finished run; {way_out}")
    if report.get("status") != "finished":
        raise ConfigError(f"{run_dir / FILE}: status is {report.get('status')}, need finished; resume the training")
    checkpoint = Path(str(report.get("checkpoint", "")))
    if not any(checkpoint.glob("*.safetensors")) and not needs_conversion(checkpoint):
        raise ConfigError(f"{checkpoint}: no weights (*.safetensors) there; restore the checkpoint, or train again")
    return checkpoint


def needs_conversion(checkpoint: Path) -> bool:
    """Return whether the weights exist only in the trainer's own format: Megatron-Core's, or FSDP2's shards."""
    own = is_of_megatron(checkpoint) or (checkpoint / FSDP_SHARDS).is_dir()
    return own and not any(checkpoint.glob("*.safetensors"))


def exported(run_dir: Path, checkpoint: Path) -> Path | None:
    """Return the export of a checkpoint; None when there is none."""
    try:
        marker = json.loads((run_dir / EXPORT / MARKER).read_bytes())
    except (OSError, ValueError):
        return None
    same = isinstance(marker, dict) and marker.get("checkpoint") == str(checkpoint)
    return run_dir / EXPORT if same else None


def loadable(run_dir: Path, checkpoint: Path) -> Path:
    """Return what ms-swift can load: the checkpoint, or its export where it has only the trainer's own format.

    Raises:
        ConfigError: there is no such export.
    """
    found = exported(run_dir, checkpoint) if needs_conversion(checkpoint) else checkpoint
    if found is None:
        raise ConfigError(f"{checkpoint}: shards, which ms-swift cannot load; run `vlm-sft export {run_dir}` first")
    return found


def is_adapter(checkpoint: Path) -> bool:
    """Return whether a folder contains a LoRA adapter instead of a whole model."""
    return (checkpoint / "adapter_config.json").is_file()
