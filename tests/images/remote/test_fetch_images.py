"""`vlm-sft images fire` as a user sees it: archives on a loopback server, files on disk, a table, an exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from range_server import RangeServer
from vlm_sft.cli import main
from vlm_sft.images.remote import download
from vlm_sft.images.remote import web as web_module
from vlm_sft.images.remote.web import RetryPolicy
from zip_files import picture, zip_of

COCO, GQA = [f"coco/train2017/{n:012d}.jpg" for n in range(30)], [f"gqa/images/n{n}.jpg" for n in range(10)]
PROGRAM = [sys.executable, "-c", "from vlm_sft.cli import main; main()"]


def picture_of(path: str) -> bytes:
    return picture(sum(path.encode()) + len(path))


class Site:
    """A server with archives, a table of them, and a folder with FIRE's files."""

    def __init__(self, folder: Path, server: RangeServer) -> None:
        self.folder, self.server, self.root = folder, server, folder / "images"
        self.table: dict[str, Any] = {"archives": {}, "rules": []}

    def archive(self, name: str, members: dict[str, bytes]) -> str:
        self.server.files[f"/{name}"] = zip_of(members)
        return self.named(name)

    def named(self, name: str) -> str:
        self.table["archives"][name] = {"url": f"{self.server.root}/{name}", "confidence": "high"}
        return name

    def rule(self, path: str, members: list[str], *archives: str, **more: str) -> None:
        self.table["rules"].append({"path": path, "members": members, "archives": list(archives), **more})

    def rows(self, split: str, paths: list[str]) -> None:
        dialogue = [{"role": "student", "value": "Answer: a"}, {"role": "teacher", "value": "Score: 1.\nFeedback: b"}]
        rows = [{"id": str(n), "image": p, "question": "q?", "conversations": dialogue} for n, p in enumerate(paths)]
        (self.folder / {"train": "FIRE-train-100K.json", "test": "FIRE-test.json"}[split]).write_text(json.dumps(rows))

    def arguments(self, *options: str) -> list[str]:
        (self.folder / "table.yaml").write_text(yaml.safe_dump(self.table))
        given = ["--input", str(self.folder), "--image-root", str(self.root), "--splits", "train"]
        return ["images", "fire", *given, "--archives", str(self.folder / "table.yaml"), *options]

    def run(self, *options: str) -> Result:
        return CliRunner().invoke(main, self.arguments(*options))

    def on_disk(self) -> dict[str, bytes]:
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(
        web_module, "DEFAULT_POLICY", RetryPolicy(tries=3, first_wait_s=0.02, connect_s=2.0, timeout_s=5.0)
    )
    with RangeServer() as server:
        site = Site(tmp_path, server)
        site.archive("coco.zip", {f"train2017/{Path(path).name}": picture_of(path) for path in COCO})
        site.archive("gqa.zip", {f"all/{path[4:]}": picture_of(path) for path in GQA})
        site.rule(r"coco/train2017/(.+)", [r"train2017/\1"], "coco.zip")
        site.rule(r"gqa/(.+)", [r"\1"], "gqa.zip")
        site.rows("train", COCO + GQA)
        yield site


def numbers(result: Result, source: str) -> list[str]:
    """The line of a source in the table: wanted, there, fetched, missing."""
    return next(line.split()[1:] for line in result.stdout.splitlines() if line.startswith(f"{source} "))


def test_every_image_is_written_to_its_path_and_a_second_run_reads_nothing(site: Site) -> None:
    first = site.run()
    assert (first.exit_code, numbers(first, "coco"), numbers(first, "gqa")) == (
        0,
        ["30", "0", "30", "0"],
        ["10", "0", "10", "0"],
    )
    assert site.on_disk() == {path: picture_of(path) for path in COCO + GQA}
    requests = len(site.server.requests)
    second = site.run()
    assert (second.exit_code, numbers(second, "total")) == (0, ["40", "40", "0", "0"])
    assert len(site.server.requests) == requests
    assert "40 images named, 40 of them on disk" in second.stderr


def test_neighbours_are_read_by_one_request(site: Site) -> None:
    site.run()
    assert (site.server.count("/coco.zip"), site.server.count("/gqa.zip")) == (3, 3)  # size, directory, all images


def test_only_the_members_wanted_are_read(site: Site) -> None:
    """One small image at either end of a large archive."""
    filler = {f"train2017/filler{n}.jpg": os.urandom(1 << 20) for n in range(4)}
    ends = {f"train2017/{Path(path).name}": picture_of(path) for path in COCO[:2]}
    first, last = ends.items()
    site.archive("coco.zip", dict([first, *filler.items(), last]))
    site.rows("train", COCO[:2])
    assert site.run().exit_code == 0
    spans = [span.removeprefix("bytes=").split("-") for path, span, _ in site.server.requests if path == "/coco.zip"]
    tail_bytes = 1 << 20
    assert sum(int(end) - int(start) + 1 for start, end in spans) < tail_bytes + 50_000


def test_a_killed_run_resumes(site: Site) -> None:
    site.server.latency_s = 0.15
    members = {}
    for path in COCO:
        members |= {f"train2017/{Path(path).name}": picture_of(path), f"gap/{len(members)}": os.urandom(300_000)}
    site.archive("coco.zip", members)
    arguments = [*PROGRAM, *site.arguments("--sources", "coco", "--connections", "2")]
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(site.root.rglob("*.jpg"))) < 5 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    there = {path: image for path, image in site.on_disk().items() if path.endswith(".jpg")}
    assert 5 <= len(there) < 30
    assert there == {path: picture_of(path) for path in there}
    site.server.latency_s = 0
    site.server.requests.clear()
    result = site.run("--sources", "coco")
    assert (result.exit_code, numbers(result, "coco")) == (0, ["30", str(len(there)), str(30 - len(there)), "0"])
    assert site.server.count("/coco.zip") == 2 + 30 - len(there)


def test_images_on_disk_in_another_layout_or_folder_are_not_fetched(site: Site, tmp_path: Path) -> None:
    site.rows("train", ["coco/val2014/000000000001.jpg", "coco/train2017/000000000002.jpg"])
    other = tmp_path / "other"
    for file in (site.root / "coco/val2014/COCO_val2014_000000000001.jpg", other / "coco/train2017/000000000002.jpg"):
        file.parent.mkdir(parents=True)
        file.write_bytes(picture(1))
    result = site.run("--image-root", str(other))
    assert (result.exit_code, numbers(result, "coco")) == (0, ["2", "2", "0", "0"])


def test_a_damaged_file_on_disk_is_fetched_again(site: Site) -> None:
    broken = site.root / COCO[0]
    broken.parent.mkdir(parents=True)
    broken.write_bytes(picture_of(COCO[0])[:50])
    assert numbers(site.run(), "coco") == ["30", "0", "30", "0"]
    assert broken.read_bytes() == picture_of(COCO[0])


def test_the_next_archive_replaces_a_missing_one(site: Site) -> None:
    site.table["rules"][0]["archives"] = [site.named("gone.zip"), "coco.zip"]
    result = site.run()
    assert (result.exit_code, numbers(result, "coco")) == (0, ["30", "0", "30", "0"])
    assert f"warning: {site.server.root}/gone.zip: HTTP 404: no such file; not read any more" in result.stderr


def test_the_next_archive_replaces_an_invalid_one_and_one_without_ranges(site: Site) -> None:
    site.server.files["/page.zip"] = b"<html>please sign in</html>" * 9
    site.server.files["/whole.zip"] = site.server.files["/coco.zip"]
    site.server.trouble["/whole.zip"].no_ranges = True
    site.table["rules"][0]["archives"] = [site.named("page.zip"), site.named("whole.zip"), "coco.zip"]
    result = site.run()
    assert (result.exit_code, numbers(result, "coco")) == (0, ["30", "0", "30", "0"])
    assert "/page.zip: not a zip archive, or its directory is damaged" in result.stderr
    assert "/whole.zip: the server ignores ranges and sends the whole file" in result.stderr


def test_images_missing_in_one_archive_come_from_the_next(site: Site) -> None:
    site.archive("half.zip", {f"train2017/{Path(path).name}": picture_of(path) for path in COCO[:12]})
    site.table["rules"][0]["archives"] = ["half.zip", "coco.zip"]
    result = site.run()
    assert (result.exit_code, numbers(result, "coco")) == (0, ["30", "0", "30", "0"])
    assert f"{site.server.root}/coco.zip: contains 18 of them" in result.stderr


def test_a_corrupt_member_is_not_kept_and_comes_from_the_next_archive(site: Site) -> None:
    content = site.server.files["/coco.zip"]
    site.server.files["/bad.zip"] = content
    site.server.trouble["/bad.zip"].corrupt_at = content.index(picture_of(COCO[7])) + 20
    site.table["rules"][0]["archives"] = [site.named("bad.zip"), "coco.zip"]
    result = site.run()
    assert (result.exit_code, numbers(result, "coco")) == (0, ["30", "0", "30", "0"])
    assert site.on_disk()[COCO[7]] == picture_of(COCO[7])
    assert f"{site.server.root}/coco.zip: contains 1 of them" in result.stderr


def test_a_corrupt_member_without_an_alternative_is_reported_and_not_written(site: Site) -> None:
    content = site.server.files["/gqa.zip"]
    site.server.trouble["/gqa.zip"].corrupt_at = content.index(picture_of(GQA[3])) + 20
    result = site.run("--sources", "gqa")
    assert (result.exit_code, numbers(result, "gqa")) == (1, ["10", "0", "9", "1"])
    assert f"1 {site.server.root}/gqa.zip: all/images/n3.jpg: Bad CRC-32 for file 'all/images/n3.jpg'" in result.stdout
    assert not (site.root / GQA[3]).exists()
    assert [name for name in site.on_disk() if name.endswith(".tmp")] == []


def test_a_member_that_is_not_an_image_is_not_kept(site: Site) -> None:
    site.archive("gqa.zip", {path[4:]: b"<html>" * 20 if path == GQA[3] else picture_of(path) for path in GQA})
    result = site.run("--sources", "gqa")
    assert numbers(result, "gqa") == ["10", "0", "9", "1"]
    assert "images/n3.jpg: not an image of a known format" in result.stdout
    assert not (site.root / GQA[3]).exists()


def test_a_busy_server_and_interrupted_connections_cost_only_time(site: Site) -> None:
    site.server.trouble["/coco.zip"].statuses = [429, 503]
    site.server.trouble["/coco.zip"].cuts = 1
    site.server.trouble["/gqa.zip"].cuts = 2
    result = site.run()
    assert (result.exit_code, numbers(result, "total")) == (0, ["40", "0", "40", "0"])


def test_a_server_that_keeps_failing_is_abandoned_after_a_few_requests(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlm_sft.images.remote.zip_span.SPAN_BYTES", 1)  # one request per image
    monkeypatch.setattr(download, "FAILURES_IN_A_ROW", 2)

    class Dying(dict[str, bytes]):
        """Serves size and directory, then only errors."""

        def __getitem__(self, path: str) -> bytes:
            if site.server.count(path) > 2:
                site.server.trouble[path].statuses = [500] * 99
            return super().__getitem__(path)

    site.server.files = Dying(site.server.files)
    result = site.run("--sources", "coco", "--connections", "1")
    assert (result.exit_code, numbers(result, "coco")) == (1, ["30", "0", "1", "29"])
    assert site.server.count("/coco.zip") <= 2 + 1 + 4 * 3  # two in a row and those already running, three tries each
    assert "coco.zip: HTTP 500 (3 tries); not read any more" in result.stderr


def test_too_many_missing_images_fail_with_source_reason_and_way_out(site: Site) -> None:
    site.table["rules"].append({"path": "mmmu/.+", "by_hand": "they are in parquet files"})
    site.rows("train", [*COCO, "mmmu/x.jpg", "mmmu/y.jpg", "odd/z.jpg"])
    result = site.run()
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "error: train: 9.1% of the rows lack their images, more than --max-missing-share 5.0% (images missing: "
        f"mmmu 2, odd 1); run this again if a server failed, put the files of these sources under {site.root} "
        "yourself, or leave these sources out: --sources coco"
    )
    assert result.stdout.splitlines() == [
        "source    wanted     there   fetched   missing",
        "coco          30         0        30         0",
        "mmmu           2         0         0         2",
        "               2 they are in parquet files",
        "odd            1         0         0         1",
        "               1 no archive is known for such a path",
        "total         33         0        30         3",
    ]
    assert site.run("--max-missing-share", "0.1").exit_code == 0


def test_the_share_counts_rows_of_each_split_not_images_of_all(site: Site) -> None:
    site.rows("test", [COCO[0]] * 9 + ["odd/z.jpg"])
    result = site.run("--splits", "train,test")
    assert result.exit_code == 1
    assert "error: test: 10.0% of the rows" in result.stderr
    assert "train: " not in result.stderr.splitlines()[-1]


def test_no_source_is_proposed_if_none_is_complete(site: Site) -> None:
    site.rows("train", ["odd/z.jpg"])
    assert site.run().stderr.endswith("yourself, or choose other --sources\n")


def test_only_the_selected_sources_are_fetched(site: Site) -> None:
    assert numbers(site.run("--sources", "gqa"), "total") == ["10", "0", "10", "0"]
    assert site.server.count("/coco.zip") == 0


def test_max_samples_fetches_this_number_and_some_spare_images(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlm_sft.images.wanted.MIN_SPARE_ROWS", 2)
    site.rows("train", ["odd/z.jpg", *COCO])
    result = site.run("--max-samples", "5", "--max-missing-share", "0.2")
    assert (result.exit_code, numbers(result, "coco"), numbers(result, "odd")) == (
        0,
        ["7", "0", "7", "0"],
        ["1", "0", "0", "1"],
    )


def test_an_image_named_three_times_is_fetched_once(site: Site) -> None:
    site.rows("train", [COCO[0]] * 3)
    assert numbers(site.run(), "coco") == ["1", "0", "1", "0"]


@pytest.mark.parametrize("path", ["gqa/../../evil.jpg", "/gqa/evil.jpg", "gqa/\0evil.jpg"])
def test_a_path_that_leaves_the_root_is_not_written(path: str, site: Site, tmp_path: Path) -> None:
    site.table["rules"].insert(0, {"path": "(?s).*evil.jpg", "members": ["evil.jpg"], "archives": ["evil.zip"]})
    site.archive("evil.zip", {"evil.jpg": picture(1)})
    site.rows("train", [path])
    result = site.run()
    assert result.exit_code == 1
    assert "evil.zip: evil.jpg: its path leads out of the image root" in result.stdout
    assert list(tmp_path.rglob("evil.jpg")) == []


def test_a_folder_that_is_a_link_out_of_the_root_is_not_written_through(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    site.root.mkdir()
    (site.root / "gqa").symlink_to(tmp_path / "elsewhere")
    assert numbers(site.run("--sources", "gqa"), "gqa") == ["10", "0", "0", "10"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_disk_that_is_too_small_is_noticed_before_the_first_image(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SPARE_BYTES", 1 << 60)
    result = site.run()
    assert result.exit_code == 1
    assert "of images to fetch, " in result.stderr
    assert "enlarge the disk (storage.cache.size), or use fewer --sources" in result.stderr
    assert site.on_disk() == {}


def test_a_root_that_cannot_be_created_is_one_line(site: Site) -> None:
    site.root = Path("/proc/images")
    result = site.run()
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "error: /proc/images: No such file or directory")


def test_progress_shows_images_and_megabytes_per_second_by_source(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlm_sft.images.remote.progress.Progress.interval_s", 0.0)
    lines = site.run("--sources", "gqa").stderr.splitlines()
    assert any(line.startswith("gqa 10 of 10: ") and line.endswith(" MB/s") for line in lines)
