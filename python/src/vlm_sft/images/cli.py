"""`vlm-sft images NAME`: options in, the missing images on disk, a table out."""

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import click

from vlm_sft.datasets.dataset import Adapter, Dataset
from vlm_sft.datasets.options import row_options
from vlm_sft.datasets.readers.source import SplitInput, locate
from vlm_sft.datasets.registry import DATASETS
from vlm_sft.errors import UserError
from vlm_sft.images.archive_table import ArchiveTable, load_table
from vlm_sft.images.image_store import ImageStore
from vlm_sft.images.remote.download import Download
from vlm_sft.images.remote.fetch_report import Outcome, table, too_much_missing
from vlm_sft.images.remote.web import Web
from vlm_sft.images.resolve import ImageRoots
from vlm_sft.images.wanted import Wanted, read_wanted

LOOKUP_BATCH = 1000  # images that are looked up on disk at a time

HELP = """{dataset.title}'s images -> files under --image-root, each at the path that {dataset.title} gives it.

{dataset.about_images}

Images that are on disk are not fetched again, so an interrupted run resumes. Each image is found by its name in a zip
archive, read by HTTP range requests, and kept if its checksum is right and it decodes. HF_TOKEN, HF_ENDPOINT and
proxies are used if set. With --max-samples, a tenth more rows are read, in case some have no image.
"""


@click.group()
def images() -> None:
    """Download the images that a dataset names but does not contain."""


def _command(dataset: Dataset, own_table: Path) -> click.Command:
    @click.command(dataset.name, help=HELP.format(dataset=dataset))
    @row_options(dataset)
    @click.option(
        "--image-root",
        "roots",
        multiple=True,
        type=click.Path(path_type=Path, file_okay=False),
        default=(f"/cache/{dataset.name}_images",),
        show_default=True,
        help="Folder for the images, created if missing. Repeat it for folders that may contain some images already.",
    )
    @click.option(
        "--max-missing-share",
        type=click.FloatRange(0, 1),
        default=0.05,
        show_default=True,
        help="Fail if a larger share of a split's rows still lacks an image at the end.",
    )
    @click.option(
        "--connections", type=click.IntRange(1, 64), default=16, show_default=True, help="Number of parallel requests."
    )
    @click.option(
        "--archives",
        "archive_file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        default=own_table,
        help="Table of archives, for example of mirrors, in the format of datasets/fire/archives.yaml.  "
        f"[default: {dataset.title}'s public archives]",
    )
    @dataset.add_options
    def command(
        source: str,
        splits: tuple[str, ...] | None,
        sources: tuple[str, ...],
        max_samples: int,
        roots: tuple[Path, ...],
        max_missing_share: float,
        connections: int,
        archive_file: Path,
        **own: Any,  # noqa: ANN401  options of the dataset
    ) -> None:
        archives, adapter = load_table(archive_file), dataset.adapter(**own)
        try:
            inputs = locate(dataset, source, splits)
            wanted, on_disk = _look_up(dataset, adapter, inputs, roots, sources, max_samples, archives)
            absent = {path: name for path, name in wanted.sources.items() if path not in on_disk}
            with closing(Web(connections)) as web:
                missing = Download(archives, web, ImageStore(roots[0]), connections, _log).run(absent)
        except OSError as error:
            raise UserError(f"{error.filename or roots[0]}: {error.strerror or error}") from error
        outcome = Outcome(wanted, on_disk, missing)
        click.echo(table(outcome))
        if problem := too_much_missing(outcome, max_missing_share, roots[0]):
            raise UserError(problem)

    return command


def _look_up(
    dataset: Dataset,
    adapter: Adapter,
    inputs: Sequence[SplitInput],
    roots: Sequence[Path],
    sources: Sequence[str],
    max_samples: int,
    archives: ArchiveTable,
) -> tuple[Wanted, frozenset[str]]:
    """Return the images that the rows name, and those of them that are complete on disk."""
    finder = ImageRoots(roots, dataset.image_rewrites)

    def is_obtainable(path: str) -> bool:
        return bool(archives.places(path).archives) or isinstance(finder.find(path), str)

    roots[0].mkdir(parents=True, exist_ok=True)
    wanted = read_wanted(adapter, inputs, sources, max_samples, is_obtainable, roots[0])
    on_disk: set[str] = set()
    paths = iter(wanted.sources)
    while batch := list(islice(paths, LOOKUP_BATCH)):
        finder.prefetch(batch)
        on_disk |= {path for path in batch if isinstance(finder.find(path), str)}
    _log(f"{len(wanted.sources):,} images named, {len(on_disk):,} of them on disk")
    return wanted, frozenset(on_disk)


def _log(line: str) -> None:
    click.echo(line, err=True)


for _dataset in DATASETS.values():
    if _dataset.archive_table:
        images.add_command(_command(_dataset, _dataset.archive_table))
