"""The storage check leaves no files, and names the folder that does not work."""

import re
from pathlib import Path

from click.testing import CliRunner
from vlm_sft.cluster.storage_check import storage_check


def test_a_working_folder_is_reported_and_left_unchanged(tmp_path: Path) -> None:
    done = CliRunner().invoke(storage_check, [str(tmp_path), str(tmp_path)])
    assert done.exit_code == 0
    line = rf"{tmp_path}: written, renamed and read back in \d+ ms, \d+\.\d GiB free\n"
    assert re.fullmatch(line * 2, done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(storage_check, [str(tmp_path / "none")])
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {tmp_path}/none: No such file or directory, need to write, rename and read files there; look at the "
        "claim's events, its size, and podSecurity.fsGroup\n"
    )
