"""One picture is one file, whatever writes it: threads, processes, a run after a killed one."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hard_pictures import encoded, exif, noise
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.resolve import ImageRoots


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".txt")


def test_a_picture_is_written_once_under_its_digest(tmp_path: Path) -> None:
    folder = ImageFolder(tmp_path)
    name = folder.put(b"picture", ".png")
    written_at = (tmp_path / name).stat().st_mtime_ns
    assert name == "2c/2cea274d0bedc39ec4ab6ba9e59ec889.png"
    assert (folder.put(b"picture", ".png"), (tmp_path / name).stat().st_mtime_ns) == (name, written_at)
    assert folder.put(b"another", ".png") != name
    assert folder.path(name) == str(tmp_path / name)


def test_a_file_that_lost_its_content_is_written_again(tmp_path: Path) -> None:
    """A node that loses power may keep a name without its bytes."""
    folder = ImageFolder(tmp_path)
    name = folder.put(b"picture", ".png")
    (tmp_path / name).write_bytes(b"")
    assert not folder.has(name)
    folder.put(b"picture", ".png")
    assert (tmp_path / name).read_bytes() == b"picture"


def test_threads_that_write_the_same_pictures_leave_whole_files_only(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(10)] * 20
    folder = ImageFolder(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        names = set(pool.map(lambda content: folder.put(content, ".png"), contents))
    assert {path.read_bytes() for path in files(tmp_path)} == set(contents)
    assert len(names) == len(files(tmp_path)) == 10


def _prepare(images: ImageRoots, rows: list[bytes | str], results: "multiprocessing.SimpleQueue[object]") -> None:
    images.prefetch(rows)
    results.put(([images.find(row) for row in rows], images.take_counts()))


def test_forked_processes_share_a_finder_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "1.jpg").write_bytes(encoded(noise(), "JPEG", exif=exif(6)))
    images = ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))
    images.prefetch(["1.jpg"])  # the record is open before the fork
    rows: list[bytes | str] = ["1.jpg", *(encoded(noise(seed=seed)) for seed in range(30))]
    context = multiprocessing.get_context("fork")
    results: multiprocessing.SimpleQueue[object] = context.SimpleQueue()
    processes = [context.Process(target=_prepare, args=(images, rows, results)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    assert found[0] == found[1] == found[2]
    assert found[0][1] == {"rotated": 1, "bytes": 30}  # type: ignore[index]
    assert len(files(tmp_path / "folder")) == 31
    again = ImageRoots([tmp_path / "root"], (), ImageFolder(tmp_path / "folder"))
    assert [again.find(row) for row in rows] == found[0][0]  # type: ignore[index]
    assert len(list((tmp_path / "folder" / "verified").iterdir())) == 4
