"""Links to run directories that a person can read: their own names are hashes.

    /outputs/by_date/2026-11-27_fire-bc_1a2b3c4d -> ../fire-bc/1a2b3c4d
    /outputs/by_date/latest_fire-bc              -> ../fire-bc/1a2b3c4d

They are beside the releases, not in them: TensorBoard follows links and would show every run three times. No release is
named by_date, because Helm refuses underscores.
"""

import os
from datetime import date
from pathlib import Path


def link_run(folder: Path, run_dir: Path, today: date) -> Path:
    """Link a run that starts or resumes, and return the link with its date: that of the first start.

    Args:
        folder: of the links; created if it is missing.
        run_dir: RELEASE/HASH.
        today: date of a first start.

    Raises:
        OSError: the filesystem refuses links.
    """
    folder.mkdir(exist_ok=True)
    release, name = run_dir.parent.name, run_dir.name
    for link in folder.glob(f"*_{release}_*"):
        if not link.exists():  # its run is deleted
            link.unlink(missing_ok=True)
    dated = next(iter(sorted(folder.glob(f"*_{release}_{name}"))), folder / f"{today.isoformat()}_{release}_{name}")
    for link in (dated, folder / f"latest_{release}"):
        temporary = link.with_name(f"{link.name}.tmp")  # renamed over the old link: a reader always finds one
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(run_dir, folder))
        temporary.replace(link)
    return dated
