"""`--input PATH|ORG/NAME[@REV]` -> the file of each split, with an identity that changes when its content does."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.errors import UserError

# The file of each split by the names it has had on the hub, newest first, whole array or JSON lines.
SPLIT_FILES = {
    "train": ("FIRE-train-100K.json", "FIRE-train-100K.jsonl"),
    "test": ("FIRE-test.json", "FIRE-test.jsonl"),
    "1m": ("FIRE-1M.json", "FIRE-1M.jsonl", "FIRE_1M.json", "fire_1m_dataset.json"),
}
DEFAULT_SPLITS = ("train", "test")
HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")

Identity = dict[str, str | int]


@dataclass(frozen=True)
class SplitFile:
    """One split's file. `identity` says which content it is, not where it lies."""

    split: str
    path: Path
    identity: Identity


def locate(source: str, splits: Sequence[str] | None) -> list[SplitFile]:
    """Find the file of each split in a folder, a single file, or a data set on the hub (downloaded into HF_HOME).

    `splits` None means train and test, or for a single file the split its name says.

    Raises:
        UserError: no such folder, file, data set or revision, or it lacks a split.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return [_local(split, _in_folder(path, split)) for split in splits or DEFAULT_SPLITS]
    if path.is_file():
        return [_local(_split_of(path, splits), path)]
    if match := HUB_ID.fullmatch(source):
        return _from_hub(match["repo"], match["revision"], splits or DEFAULT_SPLITS)
    raise UserError(f"--input: {source}: no such file or folder, and not a hub id such as PengxiangLi/FIRE")


def _in_folder(folder: Path, split: str) -> Path:
    for name in SPLIT_FILES[split]:
        if (folder / name).is_file():
            return folder / name
    there = ", ".join(sorted(entry.name for entry in folder.iterdir())[:10]) or "nothing"
    raise UserError(
        f"--input: {folder}: no file for the split {split} (need {SPLIT_FILES[split][0]}, found {there}); "
        "leave the split out with --splits, or give the file itself"
    )


def _split_of(path: Path, splits: Sequence[str] | None) -> str:
    if splits is not None:
        if len(splits) == 1:
            return splits[0]
        raise UserError(
            f"--input: {path} is one file and --splits names {len(splits)}: {', '.join(splits)}; "
            "name the one split it is, or give its folder"
        )
    name = path.name.lower()
    return "test" if "test" in name else "1m" if "1m" in name else "train"


def _local(split: str, path: Path) -> SplitFile:
    """Identify a local file by its content: sha256 reads 1.9 GB in a second or so, and a copy is the same file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SplitFile(split, path, {"file": path.name, "bytes": path.stat().st_size, "sha256": digest})


def _from_hub(repo: str, revision: str | None, splits: Sequence[str]) -> list[SplitFile]:
    """Download what is not in the cache; the identity is the commit, so that a branch that moved is noticed."""
    files = []
    for split in splits:
        for name in SPLIT_FILES[split]:
            if path := _download(repo, name, revision):
                # .../snapshots/<commit>/<file>
                identity: Identity = {"file": name, "dataset": repo, "commit": path.parent.name}
                files.append(SplitFile(split, path, identity))
                break
        else:
            raise UserError(f"--input: {_shown(repo, revision)} has no file {SPLIT_FILES[split][0]}; see --splits")
    return files


def _download(repo: str, name: str, revision: str | None) -> Path | None:
    """Return the path of one file in the cache of the hub, or None when the data set has no such file."""
    from huggingface_hub import errors, hf_hub_download  # late: 0.5 s and 40 MiB that a local file does not need

    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset", revision=revision))
    except errors.LocalEntryNotFoundError as error:
        problem = f"{name} is neither in the cache nor can the hub be reached (HF_HUB_OFFLINE, network, HF_ENDPOINT?)"
        raise UserError(f"--input: {repo}: {problem}; download it once, or give a local path") from error
    except errors.EntryNotFoundError:
        return None
    except errors.RevisionNotFoundError as error:
        raise UserError(f"--input: {repo} has no revision {revision}; name a branch, a tag or a commit") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"--input: {repo}: no such file or folder, and the hub shows no such data set; check the name, "
            "or set HF_TOKEN when it is private or gated"
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError) as error:
        raise UserError(f"--input: {_shown(repo, revision)}: {str(error).splitlines()[0]}") from error


def _shown(repo: str, revision: str | None) -> str:
    """Write a hub id as `--input` takes it."""
    return f"{repo}@{revision}" if revision else repo
