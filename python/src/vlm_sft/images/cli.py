"""`vlm-sft images fire`: options in, the missing images on disk, a table out."""

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import click

from vlm_sft.datasets.fire.layout import REWRITES
from vlm_sft.datasets.options import split_names, words
from vlm_sft.datasets.readers.source import SPLIT_FILES, SplitFile, locate
from vlm_sft.errors import UserError
from vlm_sft.images.archive_table import ArchiveTable, load_table
from vlm_sft.images.image_store import ImageStore
from vlm_sft.images.remote.download import Download
from vlm_sft.images.remote.fetch_report import Outcome, table, too_much_missing
from vlm_sft.images.remote.web import Web
from vlm_sft.images.resolve import ImageRoots
from vlm_sft.images.wanted import Wanted, read_wanted

LOOKED_UP_AT_ONCE = 1000  # images on disk, between two lines of progress


@click.group()
def images() -> None:
    """Get the images that a data set names but does not hold."""


@images.command(name="fire")
@click.option(
    "--input",
    "source",
    required=True,
    metavar="PATH|ORG/NAME[@REV]",
    help="Folder with FIRE's files, one of the files, or a data set on the hub: as for `vlm-sft prepare fire`.",
)
@click.option(
    "--image-root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    default=("/cache/fire_images",),
    show_default=True,
    help="Folder that receives the images, made if missing; repeat it for more folders that may hold some already.",
)
@click.option(
    "--splits",
    multiple=True,
    metavar="NAME,...",
    callback=split_names,
    help=f"Of {', '.join(SPLIT_FILES)}; 1m is FIRE-1M.json.  [default: train,test; for a file, by its name]",
)
@click.option(
    "--sources",
    multiple=True,
    metavar="NAME,...",
    callback=words,
    help="Only these image sources (first folder of the image path: coco, vg, ...).  [default: all]",
)
@click.option(
    "--max-samples",
    envvar="MAX_SAMPLES",
    show_envvar=True,
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Only the images of so many trajectories per split, the first ones, and a tenth more to spare; 0 = all.",
)
@click.option(
    "--max-missing-share",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Fail when a larger share of a split's rows is without its image in the end.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 64),
    default=16,
    show_default=True,
    help="Requests under way at a time.",
)
@click.option(
    "--archives",
    "archive_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Table of archives to read in place of the one that comes along, say of mirrors; see archives.yaml.",
)
def fire_command(
    source: str,
    roots: tuple[Path, ...],
    splits: tuple[str, ...] | None,
    sources: tuple[str, ...],
    max_samples: int,
    max_missing_share: float,
    connections: int,
    archive_file: Path | None,
) -> None:
    """FIRE's images -> files under --image-root, each at the path that FIRE gives it.

    FIRE holds paths only; the images are in two dozen public zip archives, 250 GB in all. This reads their directories
    and then, by HTTP range requests, only the images that are named and not on disk yet: about 80,000, 15 GB. A run
    that was stopped goes on where it was. HF_TOKEN and HF_ENDPOINT are honoured, and so are proxies.

    An image is found by its name in the archive, its checksum is checked, and it is decoded before it is kept.
    """
    archives = load_table(archive_file)
    try:
        wanted, on_disk = _look_around(locate(source, splits), roots, sources, max_samples, archives)
        absent = {path: name for path, name in wanted.sources.items() if path not in on_disk}
        with closing(Web(connections)) as web:
            missing = Download(archives, web, ImageStore(roots[0]), connections, _say).run(absent)
    except OSError as error:
        raise UserError(f"{error.filename or roots[0]}: {error.strerror or error}") from error
    outcome = Outcome(wanted, on_disk, missing)
    click.echo(table(outcome))
    if problem := too_much_missing(outcome, max_missing_share, roots[0]):
        raise UserError(problem)


def _look_around(
    inputs: Sequence[SplitFile],
    roots: Sequence[Path],
    sources: Sequence[str],
    max_samples: int,
    archives: ArchiveTable,
) -> tuple[Wanted, frozenset[str]]:
    """Which images the rows name, and which of these are on disk and whole."""
    finder = ImageRoots(roots, REWRITES)

    def is_obtainable(path: str) -> bool:
        return bool(archives.places(path).archives) or isinstance(finder.find(path), str)

    wanted = read_wanted(inputs, sources, max_samples, is_obtainable)
    on_disk: set[str] = set()
    paths = iter(wanted.sources)
    while some := list(islice(paths, LOOKED_UP_AT_ONCE)):
        finder.prefetch(some)
        on_disk |= {path for path in some if isinstance(finder.find(path), str)}
    _say(f"{len(wanted.sources):,} images named, {len(on_disk):,} of them on disk")
    return wanted, frozenset(on_disk)


def _say(line: str) -> None:
    click.echo(line, err=True)
