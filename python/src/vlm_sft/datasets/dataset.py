"""What the commands must know of one dataset; each dataset's package defines one instance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path
from typing import Any

import click

from vlm_sft.datasets.conversation import Conversation, Drop, Outcome

Parse = Callable[[object], Conversation | Drop]


@dataclass(frozen=True)
class Adapter:
    """The rows of a dataset -> conversations, for one choice of the dataset's own options. Nothing in it may raise."""

    parse: Parse | None = None  # one row; None: rows are read in groups
    # Rows with the same key are parsed together, whatever lies between them; None: the row is a group of its own.
    key: Callable[[object], str | None] | None = None
    parse_group: Callable[[Sequence[object]], Sequence[Outcome]] | None = None  # one outcome for each row

    def outcomes(self, rows: Sequence[object]) -> Sequence[Outcome]:
        """Return the outcome of each row of a group, or of rows that are not grouped."""
        if self.parse_group:
            return self.parse_group(rows)
        parse = self.parse
        assert parse is not None  # noqa: S101  an adapter has one of the two
        return [row if isinstance(row, Drop) else parse(row) for row in rows]


@dataclass(frozen=True)
class Dataset:
    """One dataset that `vlm-sft prepare NAME` reads."""

    name: str  # on the command line, and in the names of the outputs
    title: str  # in help texts
    about: str  # how a row becomes a conversation; shown by `vlm-sft prepare NAME --help`
    hub_id: str  # ORG/NAME; empty: none of its own
    adapter: Callable[..., Adapter]  # takes the values of `options` by name
    # Split -> globs below the folder or repository, newest first: all matches of the first that matches any file. The
    # first split is the main one.
    split_files: Mapping[str, tuple[str, ...]]
    default_splits: tuple[str, ...]
    columns: tuple[str, ...] = ()  # that a Parquet file must have
    options: tuple[Callable[[Any], Any], ...] = ()  # click options that only this dataset has
    locate: Callable[..., Sequence[Any]] | None = None  # opens the splits instead of readers/source.py
    has_scores: bool = False  # users' replies have scores: --feedback
    needs_images: bool = True  # False: the rows have none, or hold them, so --image-root is not asked for
    # Places of the same image in other archive layouts: (regular expression over the whole path, replacement).
    image_rewrites: tuple[tuple[str, str], ...] = ()
    archive_table: Path | None = None  # public archives of the images, see images/archive_table.py
    formats: str = "JSON array or JSON lines"  # of its files; in the help of --input
    about_sources: str = "first folder of the image path, such as coco"  # in the help of --sources
    about_images: str = ""  # number and size of the images; shown by `vlm-sft images NAME --help`

    def output_name(self, split: str) -> str:
        """Return the name of a split's output, fire_bc_train.jsonl; the chart derives it from `prepare.dataset`."""
        return f"{self.name}_bc_{split}.jsonl"

    def split_of(self, file_name: str) -> str:
        """Return the split whose name the file name contains; the main split where it contains none."""
        main, *others = self.split_files
        return next((split for split in others if split in file_name.lower()), main)

    def own_options(self) -> list[str]:
        """Return the parameter names of `options`."""

        @self.add_options
        @click.command()
        def command() -> None: ...

        return [str(parameter.name) for parameter in command.params]

    def add_options(self, command: Any) -> Any:  # noqa: ANN401  a function or a click command
        """Add `options` to a command."""
        return reduce(lambda made, option: option(made), reversed(self.options), command)

    def files_of(self, split: str, names: Sequence[str]) -> list[str]:
        """Return those of `names`, relative paths with forward slashes, that are the split's files, in order."""
        main, *others = self.split_files
        if split == main:
            of_others = [pattern for other in others for pattern in self.split_files[other]]
            names = [name for name in names if not any(fnmatch(name, pattern) for pattern in of_others)]
        for pattern in self.split_files[split]:
            if found := sorted(name for name in names if fnmatch(name, pattern)):
                return found
        return []
