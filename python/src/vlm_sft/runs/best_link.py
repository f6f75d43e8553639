"""`RUN_DIR/best`: a link to the checkpoint with the best validation, `best -> checkpoint-200`."""

from pathlib import Path

NAME = "best"


def link_best(run_dir: Path, checkpoint: str | None) -> None:
    """Link this checkpoint; remove the link where there is none. It is relative, so that a copied run keeps it."""
    link = run_dir / NAME
    if checkpoint is None or not (run_dir / Path(checkpoint).name).is_dir():
        if link.is_symlink():
            link.unlink()
        return
    temporary = run_dir / f".{NAME}.tmp"  # renamed over the old link, so that a reader always finds one
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path(checkpoint).name)
    temporary.replace(link)
