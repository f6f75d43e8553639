"""Mount paths become local folders."""

from pathlib import Path

from local_jobs import rewrite

FOLDERS = {"/var/run/secrets": Path("/tmp/s/var"), "/cache": Path("/tmp/s/cache"), "/tmp": Path("/tmp/s/tmp")}


def test_a_path_is_replaced_once_even_if_its_folder_is_below_another_mount_path() -> None:
    assert rewrite("/cache/hf", FOLDERS) == "/tmp/s/cache/hf"
    assert rewrite('{"a": ["/cache", "/tmp/x"]}', FOLDERS) == '{"a": ["/tmp/s/cache", "/tmp/s/tmp/x"]}'
    assert rewrite("--run-dir=/cache/a:/tmp", FOLDERS) == "--run-dir=/tmp/s/cache/a:/tmp/s/tmp"


def test_a_path_that_only_starts_like_a_mount_path_stays() -> None:
    for text in ("/caches", "my/cache", "/cache.bak", "/tmp-2"):
        assert rewrite(text, FOLDERS) == text
