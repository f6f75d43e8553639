"""What the commands must know of one dataset; each dataset's package defines one instance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.datasets.conversation import Conversation, Drop

Parse = Callable[[object], Conversation | Drop]


@dataclass(frozen=True)
class Dataset:
    """One dataset that `vlm-sft prepare NAME` reads."""

    name: str  # on the command line, and in the names of the outputs
    title: str  # in help texts
    about: str  # how a row becomes a conversation; shown by `vlm-sft prepare NAME --help`
    hub_id: str  # ORG/NAME
    parse: Parse  # must not raise, whatever JSON value the row is
    split_files: Mapping[str, tuple[str, ...]]  # split -> file names, newest first; the first split is the main one
    default_splits: tuple[str, ...]
    # Places of the same image in other archive layouts: (regular expression over the whole path, replacement).
    image_rewrites: tuple[tuple[str, str], ...] = ()
    archive_table: Path | None = None  # public archives of the images, see images/archive_table.py
    about_images: str = ""  # number and size of the images; shown by `vlm-sft images NAME --help`

    def output_name(self, split: str) -> str:
        """Return the name of a split's output, fire_bc_train.jsonl; the chart derives it from `prepare.dataset`."""
        return f"{self.name}_bc_{split}.jsonl"

    def split_of(self, file_name: str) -> str:
        """Return the split whose name the file name contains; the main split where it contains none."""
        main, *others = self.split_files
        return next((split for split in others if split in file_name.lower()), main)
