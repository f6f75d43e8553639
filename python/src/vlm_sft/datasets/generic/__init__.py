"""Somebody's own data: JSON lines, CSV, or any dataset on the hub."""

import click

from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.generic.columns import MAP, adapter

ABOUT = (
    "A row is messages (also ShareGPT's), a prompt and its completion, Alpaca's instruction and output, a pair of "
    "which the chosen answer is used, or a text that is trained on as a whole. Every row is looked at on its own, so "
    "a file may mix them. Images are paths, URLs, data URIs or bytes; their <image> tags stay where they are."
)


def _files(*suffixes: str) -> dict[str, tuple[str, ...]]:
    """Return the globs of a folder's splits: those with the split's name, and for train else all files."""
    return {
        "train": (*(f"*train*{suffix}" for suffix in suffixes), *(f"*{suffix}" for suffix in suffixes)),
        "validation": tuple(f"*val*{suffix}" for suffix in suffixes),
        "test": tuple(f"*test*{suffix}" for suffix in suffixes),
    }


JSONL = Dataset(
    name="jsonl",
    title="your JSON lines or JSON array",
    about=ABOUT,
    hub_id="",
    adapter=adapter,
    split_files=_files(".jsonl", ".json", ".parquet"),
    default_splits=("train",),
    options=(MAP,),
    needs_images=False,
)
CSV = Dataset(
    name="csv",
    title="your CSV or TSV",
    about=ABOUT,
    hub_id="",
    adapter=adapter,
    split_files=_files(".csv", ".tsv"),
    default_splits=("train",),
    options=(MAP,),
    needs_images=False,
)


def _locate(source: str, splits: tuple[str, ...], subset: str = "", **_: object) -> "list[object]":
    from vlm_sft.datasets.generic.hub_stream import locate

    return list(locate(source, splits, subset))


HUB = Dataset(
    name="hub",
    title="a dataset on the hub",
    about=ABOUT + " The dataset is streamed by the library datasets.",
    hub_id="",
    adapter=adapter,
    split_files={"train": (), "validation": (), "test": ()},
    default_splits=("train",),
    options=(MAP, click.option("--subset", default="", metavar="NAME", help="Subset (config) of the dataset.")),
    needs_images=False,
    locate=_locate,
)
