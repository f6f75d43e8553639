"""`--input PATH|ORG/NAME[@REV]` -> the file of each split, with an identity of its content."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.datasets.dataset import Dataset
from vlm_sft.errors import UserError

HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")

Identity = dict[str, str | int]


@dataclass(frozen=True)
class SplitFile:
    """The file of one split. `identity` depends on the content, not on the place."""

    split: str
    path: Path
    identity: Identity


def locate(dataset: Dataset, source: str, splits: Sequence[str] | None) -> list[SplitFile]:
    """Find the file of each split in a folder, a single file, or a dataset on the hub (downloaded into HF_HOME).

    `splits` None means the default splits, or for a single file the split that its name contains.

    Raises:
        UserError: the folder, file, dataset or revision does not exist, or has no file for a split.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return [_local(split, _in_folder(path, dataset, split)) for split in splits or dataset.default_splits]
    if path.is_file():
        return [_local(_split_of(path, dataset, splits), path)]
    if match := HUB_ID.fullmatch(source):
        return _from_hub(match["repo"], match["revision"], dataset, splits or dataset.default_splits)
    raise UserError(f"--input: {source}: no such file or folder, and not a hub id such as {dataset.hub_id}")


def _in_folder(folder: Path, dataset: Dataset, split: str) -> Path:
    names = dataset.split_files[split]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    there = ", ".join(sorted(entry.name for entry in folder.iterdir())[:10]) or "nothing"
    raise UserError(
        f"--input: {folder}: no file for the split {split} (need {names[0]}, found {there}); "
        "leave this split out of --splits, or give the file itself"
    )


def _split_of(path: Path, dataset: Dataset, splits: Sequence[str] | None) -> str:
    if splits is None:
        return dataset.split_of(path.name)
    if len(splits) > 1:
        raise UserError(
            f"--input: {path} is one file and --splits names {len(splits)}: {', '.join(splits)}; "
            "name one split, or give the folder"
        )
    return splits[0]


def _local(split: str, path: Path) -> SplitFile:
    """Identify a local file by its SHA-256 (1.9 GB take about a second), so that a copy is the same file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SplitFile(split, path, {"file": path.name, "bytes": path.stat().st_size, "sha256": digest})


def _from_hub(repo: str, revision: str | None, dataset: Dataset, splits: Sequence[str]) -> list[SplitFile]:
    """Download what is not in the cache. The identity is the commit, so that a moved branch is noticed."""
    files = []
    for split in splits:
        for name in dataset.split_files[split]:
            if path := _download(repo, name, revision):
                # .../snapshots/<commit>/<file>
                identity: Identity = {"file": name, "dataset": repo, "commit": path.parent.name}
                files.append(SplitFile(split, path, identity))
                break
        else:
            raise UserError(
                f"--input: {_shown(repo, revision)} has no file {dataset.split_files[split][0]}; see --splits"
            )
    return files


def _download(repo: str, name: str, revision: str | None) -> Path | None:
    """Return the path of one file in the hub's cache; None if the dataset has no such file."""
    from huggingface_hub import errors, hf_hub_download  # late: 0.5 s and 40 MiB that a local file does not need

    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision))
    except errors.LocalEntryNotFoundError as error:
        problem = f"{name} is not in the cache and the hub cannot be reached (HF_HUB_OFFLINE, network, HF_ENDPOINT?)"
        raise UserError(f"--input: {repo}: {problem}; download it once, or give a local path") from error
    except errors.EntryNotFoundError:
        return None
    except errors.RevisionNotFoundError as error:
        raise UserError(f"--input: {repo} has no revision {revision}; name a branch, a tag or a commit") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"--input: {repo}: no such file or folder, and no such dataset on the hub; check the name, "
            "or set HF_TOKEN if it is private or gated"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError) as error:
        raise UserError(f"--input: {_shown(repo, revision)}: {str(error).splitlines()[0]}") from error


def _shown(repo: str, revision: str | None) -> str:
    """Write a hub id as `--input` takes it."""
    return f"{repo}@{revision}" if revision else repo
