"""The Jupyter token: created once, kept, readable only by its owner."""

from pathlib import Path

import pytest
from vlm_sft.cluster.jupyter import kept_token
from vlm_sft.errors import UserError


def test_the_token_is_created_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "release" / "jupyter-token"
    token = kept_token(path)
    assert len(token) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_token(path) == token
    assert kept_token(tmp_path / "other") != token


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(UserError, match="empty; delete it for a new token"):
        kept_token(tmp_path / "token")


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"so its folder must be writable|delete it"):
        kept_token(tmp_path / "file" / "token")
