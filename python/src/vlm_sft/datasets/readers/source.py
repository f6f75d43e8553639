"""`--input PATH|ORG/NAME[@REV]` -> the files of each split, with an identity of their content."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.readers import csv_rows, file_set, json_rows, parquet_rows
from vlm_sft.datasets.readers.part import Cut, Part, WrongCut
from vlm_sft.errors import UserError

HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
PARQUET_FOOTER = 8  # [bytes] at the end of a Parquet file: length of the metadata before them, then a magic word

Identity = dict[str, Any]


@dataclass(frozen=True)
class SplitInput:
    """The input of one split. `identity` depends on the content, not on the place."""

    split: str
    files: tuple[Path, ...]  # in the order of the rows
    identity: Identity

    def parts(self) -> Iterator[Part]:
        """Yield the parts of all files in order; the suffix of a file decides how it is read.

        Raises:
            UserError: a file is of another kind, or broken.
        """
        for path in self.files:
            yield from file_parts(path)

    def rows(self) -> Iterator[object]:
        """Yield the rows of all files, one after the other, in this process."""
        for path in self.files:
            yield from file_rows(path)


def file_rows(path: Path) -> Iterator[object]:
    """Yield the rows of one file; a row that cannot be read is a Drop.

    Raises:
        UserError: the file is of another kind, or broken.
    """
    count = 0
    for part in file_parts(path):
        try:
            found = part.rows()
        except WrongCut:
            for rest in cast("Cut", part).streamed(count):
                yield from rest.rows()
            return
        for row in found:
            count += 1
            yield row


def file_parts(path: Path) -> Iterator[Part]:
    """Yield the parts of one file: Parquet, CSV or TSV by its suffix, else JSON."""
    match path.suffix.lower():
        case ".parquet":
            yield from parquet_rows.parts(path)
        case ".csv" | ".tsv":
            yield from csv_rows.parts(path)
        case _:
            yield from json_rows.parts(path)


def locate(
    dataset: Dataset, source: str, splits: Sequence[str] | None, own: Mapping[str, Any] | None = None
) -> list[SplitInput]:
    """Find the files of each split in a folder, a single file, or a dataset on the hub (downloaded into HF_HOME).

    `splits` None means the default splits, or for a single file the split that its name contains. `own` are the
    values of the dataset's own options.

    Raises:
        UserError: the folder, file, dataset or revision does not exist, or has no file for a split; files of a split
            are missing; or Parquet files are cut off or lack columns of the dataset. Names all such files.
    """
    found = _located(dataset, source, splits, own or {})
    is_one_file = Path(source).expanduser().is_file()
    problems = []
    for of_split in found:
        of_set = () if is_one_file else file_set.problems(of_split.files)
        problems += [f"--input: {source}: {of_split.split}: {problem}" for problem in of_set]
        parquet = (path for path in of_split.files if path.suffix.lower() == ".parquet")
        problems += filter(None, (parquet_rows.problem_of(path, dataset.columns) for path in parquet))
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    return found


def _located(dataset: Dataset, source: str, splits: Sequence[str] | None, own: Mapping[str, Any]) -> list[SplitInput]:
    path = Path(source).expanduser()
    wanted = splits or dataset.default_splits
    if dataset.locate:
        return list(dataset.locate(source, wanted, **own))
    if path.is_dir():
        return [SplitInput(split, files, identity_of(files)) for split, files in _in_folder(path, dataset, wanted)]
    if path.is_file():
        return [SplitInput(_split_of(path, dataset, splits), (path,), identity_of((path,)))]
    if match := HUB_ID.fullmatch(source):
        return _from_hub(match["repo"], match["revision"], dataset, wanted)
    example = f", and not a hub id such as {dataset.hub_id}" if dataset.hub_id else ", and not a hub id (ORG/NAME)"
    raise UserError(f"--input: {source}: no such file or folder{example}")


def _in_folder(folder: Path, dataset: Dataset, splits: Sequence[str]) -> Iterator[tuple[str, tuple[Path, ...]]]:
    names = _names_in(folder)
    for split in splits:
        files = dataset.files_of(split, names)
        if not files:
            there = ", ".join(sorted(names)[:10]) or "nothing"
            raise UserError(
                f"--input: {folder}: no file for the split {split} (need {dataset.split_files[split][0]}, found "
                f"{there}); leave this split out of --splits, or give the file itself"
            )
        yield split, tuple(folder / name for name in files)


def _names_in(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def _split_of(path: Path, dataset: Dataset, splits: Sequence[str] | None) -> str:
    if splits is None:
        return dataset.split_of(path.name)
    if len(splits) > 1:
        raise UserError(
            f"--input: {path} is one file and --splits names {len(splits)}: {', '.join(splits)}; "
            "name one split, or give the folder"
        )
    return splits[0]


def identity_of(files: Sequence[Path]) -> Identity:
    """Identify local files by their SHA-256 (1.9 GB take about a second), so that a copy is the same file."""
    of_files = [{"file": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files]
    if len(of_files) == 1:
        return of_files[0]
    total = hashlib.sha256(orjson.dumps(of_files)).hexdigest()
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files), "sha256": total}


def _sha256(path: Path) -> str:
    """Hash a file; of Parquet only its metadata, which has the size and statistics of every column of every row group.

    Robo2VLM has 106 GB of Parquet.
    """
    with path.open("rb") as file:
        if path.suffix.lower() == ".parquet" and (size := path.stat().st_size) > PARQUET_FOOTER:
            file.seek(size - PARQUET_FOOTER)
            length = int.from_bytes(file.read(4), "little")
            file.seek(max(0, size - PARQUET_FOOTER - length))
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_hub(repo: str, revision: str | None, dataset: Dataset, splits: Sequence[str]) -> list[SplitInput]:
    """Download what is not in the cache. The identity is the commit, so that a moved branch is noticed."""
    from huggingface_hub import (
        constants,
        errors,
        snapshot_download,
    )  # late: 0.5 s and 40 MiB that a local file does not need

    patterns = [pattern for split in splits for pattern in dataset.split_files[split]]
    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except errors.LocalEntryNotFoundError as error:
        problem = f"{repo} is not in the cache and the hub cannot be reached (HF_HUB_OFFLINE, network, HF_ENDPOINT?)"
        raise UserError(f"--input: {problem}; download it once, or give a local path") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"--input: {repo} has no revision {revision}; name a branch, a tag or a commit") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"--input: {repo}: no such file or folder, and no such dataset on the hub; check the name, "
            "or set HF_TOKEN if it is private or gated"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError) as error:
        raise UserError(f"--input: {_shown(repo, revision)}: {str(error).splitlines()[0]}") from error
    names = _names_in(folder)
    cached = " in the cache (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else ""
    inputs = []
    for split in splits:
        files = dataset.files_of(split, names)
        if not files:
            raise UserError(
                f"--input: {_shown(repo, revision)} has no file {dataset.split_files[split][0]}{cached}; see --splits"
            )
        # .../snapshots/<commit>
        identity: Identity = {"file": files[0], "dataset": repo, "commit": folder.name}
        if len(files) > 1:
            identity = {"files": len(files)} | identity
        inputs.append(SplitInput(split, tuple(folder / name for name in files), identity))
    return inputs


def _shown(repo: str, revision: str | None) -> str:
    """Write a hub id as `--input` takes it."""
    return f"{repo}@{revision}" if revision else repo
