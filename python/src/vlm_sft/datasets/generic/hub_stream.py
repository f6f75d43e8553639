"""`vlm-sft prepare hub`: rows of any dataset that the library `datasets` can stream, from the hub or a local folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vlm_sft.datasets.readers.part import Part, Rows
from vlm_sft.datasets.readers.source import HUB_ID, Identity, SplitInput, identity_of
from vlm_sft.errors import UserError

PART_ROWS = 64  # with images of 200 kB: 13 MB


@dataclass(frozen=True)
class HubSplit(SplitInput):
    """One split as a stream."""

    rows_of_split: Any = None  # a datasets.IterableDataset

    def parts(self) -> Iterator[Part]:
        """Yield the rows in parts; images are the bytes of their files.

        Raises:
            UserError: the stream ends with an error.
        """
        rows = iter(self.rows_of_split)
        try:
            while found := list(islice(rows, PART_ROWS)):
                yield Rows(found)
        except Exception as error:  # the library raises whatever its readers raise
            raise UserError(f"--input: {self.identity.get('dataset')}: {_first_line(error)}; try again") from error


def locate(source: str, splits: Sequence[str], subset: str) -> list[SplitInput]:
    """Open the splits of a dataset.

    Raises:
        UserError: no such dataset, subset or split, or the hub cannot be reached.
    """
    from datasets import get_dataset_split_names, load_dataset  # late: 1 s

    path = Path(source).expanduser()
    match = HUB_ID.fullmatch(source)
    if not path.is_dir() and not match:
        raise UserError(f"--input: {source}: no such folder, and not a hub id (ORG/NAME[@REVISION])")
    name, revision = (str(path), None) if path.is_dir() else (match["repo"], match["revision"])  # type: ignore[index]
    try:
        there = get_dataset_split_names(name, subset or None, revision=revision)
        if missing := [split for split in splits if split not in there]:
            raise UserError(f"--splits: {source} has no {', '.join(missing)}; it has {', '.join(there)}")
        identity = _folder_identity(path) if path.is_dir() else _hub_identity(name, revision)
        return [
            HubSplit(
                split,
                (),
                {**identity, "subset": subset, "split": split},
                load_dataset(name, subset or None, split=split, revision=revision, streaming=True).decode(False),
            )
            for split in splits
        ]
    except UserError:
        raise
    except Exception as error:  # whatever the hub and the library's readers raise
        raise UserError(
            f"--input: {source}: {_first_line(error)}; check the name, --subset, --splits and the network, or set "
            "HF_TOKEN if it is private or gated"
        ) from error


def _hub_identity(name: str, revision: str | None) -> Identity:
    from huggingface_hub import HfApi

    return {"dataset": name, "commit": HfApi().dataset_info(name, revision=revision).sha}


def _folder_identity(folder: Path) -> Identity:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {"dataset": folder.name, **identity_of(files)}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
