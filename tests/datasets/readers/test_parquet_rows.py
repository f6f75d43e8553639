"""Parquet files: rows by row group, in bounded memory; broken, foreign and missing files are named before any work."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from vlm_sft.datasets.alpaca import ALPACA
from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.geo3k import GEO3K
from vlm_sft.datasets.readers.parquet_rows import parts
from vlm_sft.datasets.readers.source import file_rows, locate
from vlm_sft.datasets.robo2vlm import ROBO2VLM
from vlm_sft.errors import UserError

ROBO_ROW = {"id": "droid_1", "question": "q", "choices": "['a', 'b']", "correct_answer": 0, "image": {"bytes": b"x"}}
GEO_ROW = {"images": ["data:,"], "problem": "p", "answer": "a"}


def write(path: Path, rows: list[Any], **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    parquet.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def test_rows_come_in_order_and_each_row_group_is_a_part(tmp_path: Path) -> None:
    rows = [{"id": number, "image": {"bytes": b"\xff", "path": None}} for number in range(10)]
    path = write(tmp_path / "rows.parquet", rows, row_group_size=4)
    assert list(file_rows(path)) == rows
    assert [list(part.rows()) for part in parts(path)] == [rows[:4], rows[4:8], rows[8:]]


def test_a_file_without_rows_has_no_parts(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    parquet.write_table(pa.table({"id": pa.array([], pa.string())}), path)
    assert list(file_rows(path)) == []


def test_a_value_that_python_cannot_read_drops_only_its_row(tmp_path: Path) -> None:
    good = pa.array([f"text {number}".encode() for number in range(200)])
    texts = [value.as_py() for value in good]
    texts[130] = b"caf\xe9"
    path = tmp_path / "latin.parquet"
    column = pa.Array.from_buffers(pa.string(), 200, pa.array(texts, pa.binary()).buffers())
    parquet.write_table(pa.table({"text": column}), path)
    rows = list(file_rows(path))
    assert [number for number, row in enumerate(rows) if isinstance(row, Drop)] == [130]
    assert rows[130].reason == "row_unreadable"  # type: ignore[attr-defined]
    assert rows[131] == {"text": "text 131"}


PEAK = """
import resource, sys
from pathlib import Path
from vlm_sft.datasets.readers.parquet_rows import parts
if len(sys.argv) > 1:
    print(sum(len(row["image"]["bytes"]) for part in parts(Path(sys.argv[1])) for row in part.rows()))
else:
    import pyarrow.parquet
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mib(*arguments: str) -> int:
    ran = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
    return int(ran.stdout.splitlines()[-1])


def test_memory_does_not_grow_with_the_row_group(tmp_path: Path) -> None:
    """One row group of 200 MB, written in pages of a few pictures; read at once it takes over 400 MiB."""
    pictures = [os.urandom(100_000) for _ in range(2000)]
    rows = [{"image": {"bytes": picture, "path": None}} for picture in pictures]
    path = write(tmp_path / "big.parquet", rows, use_dictionary=False, write_batch_size=16)
    assert parquet.ParquetFile(path).num_row_groups == 1
    assert peak_mib(str(path)) - peak_mib() < 80


def broken(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        list(file_rows(path))
    return raised.value.message.removeprefix(f"{path}: ")


def test_what_is_no_complete_parquet_file_is_described(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", [ROBO_ROW] * 100)
    whole = path.read_bytes()
    assert broken(path, b"") == "the file is empty; need a Parquet file"
    assert broken(path, b"<!doctype html>") == "starts with b'<!doctype html>'; need a Parquet file (b'PAR1')"
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    assert broken(path, pointer) == (
        "a Git LFS pointer, not the data itself; download it with `git lfs pull` or `hf download`"
    )
    cut = broken(path, whole[:-100])
    assert cut.startswith("the Parquet file is cut off or damaged (")
    assert cut.endswith("); download it again")


def test_damaged_pages_name_the_row_group(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", [ROBO_ROW] * 100, row_group_size=50)
    content = path.read_bytes()
    place = parquet.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    message = broken(path, content[:place] + b"\0" * 40 + content[place + 40 :])
    assert message.startswith("row group 1 of 2: ")
    assert message.endswith("; the file is damaged, download it again")


def refused(dataset: Any, source: Path, splits: tuple[str, ...] = ("train",)) -> list[str]:
    with pytest.raises(UserError) as raised:
        locate(dataset, str(source), splits)
    return raised.value.message.splitlines()


def test_a_file_of_another_dataset_is_refused_with_its_command(tmp_path: Path) -> None:
    path = write(tmp_path / "train-00000-of-00001.parquet", [ROBO_ROW])
    assert refused(GEO3K, tmp_path) == refused(GEO3K, path) == [
        f"{path}: no column images, problem, answer: got id, question, choices, correct_answer, image, need images, "
        "problem, answer; use `vlm-sft prepare robo2vlm`"
    ]  # fmt: skip
    other = write(tmp_path / "mine" / "train.parquet", [{"question": "q", "answer": "a"}])
    assert refused(GEO3K, other) == [
        f"{other}: no column images, problem: got question, answer, need images, problem, answer; "
        "give this dataset's own files, or rename columns"
    ]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    names = [*GEO_ROW, "answer"]
    table = pa.Table.from_arrays([pa.array([value]) for value in [*GEO_ROW.values(), "b"]], names=names)
    parquet.write_table(table, tmp_path / "train.parquet")
    assert refused(GEO3K, tmp_path) == [
        f"{tmp_path}/train.parquet: several columns are called answer; rename them"
    ]  # fmt: skip


def test_all_broken_files_of_all_splits_are_named_at_once(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        write(tmp_path / "data" / f"{name}.parquet", [ROBO_ROW])
    (tmp_path / "data/train-00001-of-00002.parquet").write_bytes(b"")
    (tmp_path / "data/test-00000-of-00001.parquet").write_bytes(b"PAR")
    assert refused(ROBO2VLM, tmp_path, ("train", "test")) == [
        f"{tmp_path}/data/train-00001-of-00002.parquet: the file is empty; need a Parquet file",
        f"{tmp_path}/data/test-00000-of-00001.parquet: starts with b'PAR'; need a Parquet file (b'PAR1')",
    ]


def test_missing_files_of_a_set_are_named(tmp_path: Path) -> None:
    for number in (0, 1, 2, 4):
        write(tmp_path / f"train-{number:05}-of-00012.parquet", [ROBO_ROW])
    assert refused(ROBO2VLM, tmp_path) == [
        f"--input: {tmp_path}: train: 8 of 12 files are missing: train-00003-of-00012.parquet, "
        "train-00005-of-00012.parquet, train-00006-of-00012.parquet, train-00007-of-00012.parquet, "
        "train-00008-of-00012.parquet and 3 more; download them, or give one file"
    ]
    (one,) = locate(ROBO2VLM, str(tmp_path / "train-00004-of-00012.parquet"), None)
    assert [path.name for path in one.files] == ["train-00004-of-00012.parquet"]


def test_files_of_two_sets_are_not_mixed(tmp_path: Path) -> None:
    for name in ("train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"):
        write(tmp_path / f"{name}.parquet", [ROBO_ROW])
    assert refused(ROBO2VLM, tmp_path) == [
        f"--input: {tmp_path}: train: train has files of sets of 1 and 2 files; keep one set"
    ]


def test_two_versions_of_one_file_are_not_mixed(tmp_path: Path) -> None:
    for name in ("a09b74b3ef9c3b56", "b42a775f407cee45"):
        write(tmp_path / f"train-00000-of-00001-{name}.parquet", [{"instruction": "i", "output": "o"}])
    assert refused(ALPACA, tmp_path) == [
        f"--input: {tmp_path}: train: several files are train-00000-of-00001.parquet; keep one of each"
    ]


def test_train_and_test_lie_in_one_folder_or_in_two(tmp_path: Path) -> None:
    for name in ("one/train", "one/test", "two/train_data/train", "two/test_data/test", "hub/data/train"):
        write(tmp_path / f"{name}-00000-of-00001.parquet", [ROBO_ROW])

    def found(folder: str, *splits: str) -> list[list[str]]:
        inputs = locate(ROBO2VLM, str(tmp_path / folder), splits)
        return [[path.name.partition("-")[0] for path in one.files] for one in inputs]

    assert found("one", "train", "test") == found("two", "train", "test") == [["train"], ["test"]]
    assert found("hub", "train") == [["train"]]
