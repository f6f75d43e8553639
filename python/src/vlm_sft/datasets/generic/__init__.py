"""Somebody's own data: JSON lines, CSV, or any dataset on the hub."""

from collections.abc import Mapping

import click

from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.generic.columns import MAP, adapter
from vlm_sft.datasets.generic.shapes import FIELDS

ABOUT = (
    "A row is messages (also ShareGPT's), a prompt and its completion, Alpaca's instruction and output, a pair of "
    "which the chosen answer is used, or a text that is trained on as a whole. Every row is looked at on its own, so "
    "a file may mix them. Images are paths, URLs, data URIs or bytes; their <image> tags stay where they are."
)
SOURCES = "what the column source has, otherwise rows"


def _files(*suffixes: str) -> dict[str, tuple[str, ...]]:
    """Return the globs of a folder's splits: those with the split's name, and for train else all files."""
    return {
        "train": (*(f"*train*{suffix}" for suffix in suffixes), *(f"*{suffix}" for suffix in suffixes)),
        "validation": tuple(f"*val*{suffix}" for suffix in suffixes),
        "test": tuple(f"*test*{suffix}" for suffix in suffixes),
    }


JSONL = Dataset(
    name="jsonl",
    title="your JSON files",
    about=ABOUT,
    formats="JSON lines, JSON array or Parquet",
    hub_id="",
    adapter=adapter,
    split_files=_files(".jsonl", ".json", ".parquet"),
    default_splits=("train",),
    options=(MAP,),
    needs_images=False,
    about_sources=SOURCES,
)
CSV = Dataset(
    name="csv",
    title="your CSV files",
    about=ABOUT
    + " A cell with several images, or with messages, is a list as JSON or as pandas writes it. The separator "
    "is the comma, semicolon or tab of the header; the encoding is UTF-8, or UTF-16 with a byte order mark.",
    formats="CSV or TSV",
    hub_id="",
    adapter=adapter,
    split_files=_files(".csv", ".tsv"),
    default_splits=("train",),
    options=(MAP,),
    needs_images=False,
    about_sources=SOURCES,
)


def _locate(
    source: str, splits: tuple[str, ...], subset: str = "", mapping: Mapping[str, str] | None = None, **_: object
) -> "list[object]":
    from vlm_sft.datasets.generic.hub_stream import locate

    read = {column.split(".")[0] for column in mapping.values()} if mapping else FIELDS
    return list(locate(source, splits, subset, read))


HUB = Dataset(
    name="hub",
    title="any dataset on the hub",
    about=ABOUT + " The library datasets streams the rows, without storing the dataset. No code of a dataset is run.",
    formats="files that the library datasets reads",
    hub_id="",
    adapter=adapter,
    split_files={"train": (), "validation": (), "test": ()},
    default_splits=("train",),
    options=(MAP, click.option("--subset", default="", metavar="NAME", help="Subset (config) of the dataset.")),
    needs_images=False,
    about_sources=SOURCES,
    locate=_locate,
)
