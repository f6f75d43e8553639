"""`vlm-sft fetch-data`: a hub dataset as a file on the claim, so that no GPU waits for its download.

ms-swift's own loader and preprocessors read it; the file holds the rows that the trainer would get from the id, in the
same order. It is Parquet, which keeps the type of every column: ms-swift takes those of JSONL from its first 10 MB.
"""

import fcntl
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import ENOSPC
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import ConfigError, UserError

FILE, MARKER = "data.parquet", "stats.json"
# Arguments of `swift sft` that change what its loader yields from an id.
ARGUMENTS = ("columns", "disable_auto_column_mapping", "model_name", "model_author", "custom_dataset_info")
IMAGES = ("images", "rejected_images", "positive_images", "negative_images", "teacher_images")
WRITTEN_ROWS = 100  # at a time; each may hold several pictures
MAX_WRITERS = 16  # processes that write pictures: more do not make a claim faster

Row = dict[str, Any]


def _dataset_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if re.search(r"#\d+$", value):
        raise click.BadParameter(
            "leave #N out, and write it behind the file's path in train.dataset: ms-swift samples."
        )
    return value


def _arguments(_context: click.Context, _parameter: click.Parameter, value: str) -> dict[str, Any]:
    try:
        arguments = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}") from error
    if not isinstance(arguments, dict) or (unknown := arguments.keys() - set(ARGUMENTS)):
        got = ", ".join(sorted(unknown)) if isinstance(arguments, dict) else value
        raise click.BadParameter(f"got {got}, need an object with keys of: {', '.join(ARGUMENTS)}")
    return arguments


@click.command("fetch-data")
@click.argument("dataset", metavar="[hf::|ms::]ID[:SUBSET]", callback=_dataset_id)
@click.option(
    "--output-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Created if missing."
)
@click.option(
    "--arguments",
    default="{}",
    metavar="JSON",
    callback=_arguments,
    help=f"The training's arguments that change the rows: {', '.join(ARGUMENTS)}.",
)
@click.option("--force", is_flag=True, help="Repeat a finished download, for example after the hub has changed.")
def fetch_data(dataset: str, output_dir: Path, arguments: dict[str, Any], force: bool) -> None:
    """Write the rows that ms-swift reads from a hub dataset to OUTPUT_DIR/data.parquet, its pictures beside it.

    stats.json is written last; a finished download of the same dataset with the same arguments is not repeated.
    """
    folder = output_dir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        stats = None if force else _finished(folder, dataset, arguments)
        if stats is None:
            try:
                stats = fetch_rows(dataset, folder, arguments)
            except OSError as error:
                raise UserError(
                    f"{folder}: {_line(error)}; enlarge the claim, or delete what is not needed there"
                ) from None
    left_out = f", {stats['left_out']:,} left out by ms-swift" if stats["left_out"] else ""
    click.echo(f"{output_dir / FILE}: {stats['rows']:,} rows{left_out}")
    if stats["images_not_fetched"]:
        click.echo(f"warning: {stats['images_not_fetched']:,} pictures could not be fetched", err=True)


def fetch_rows(dataset: str, folder: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the rows that `swift sft` loads from `dataset`, and their pictures, into `folder`; return the statistics.

    Raises:
        ConfigError: no such dataset or subset, or no access; another try would fail the same way.
        UserError: ms-swift is missing, or the hub cannot be reached, or the disk is full.
    """
    (folder / MARKER).unlink(missing_ok=True)
    for left in folder.glob(".fetch-*"):  # of killed runs
        shutil.rmtree(left, ignore_errors=True)
    for left in folder.glob(f"{FILE}.*.tmp"):
        left.unlink()
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder, ignore_cleanup_errors=True) as cache:
        os.environ["HF_DATASETS_CACHE"] = cache  # copies of the rows; downloaded files stay in HF_HOME
        with _left_out() as left_out:
            rows = _load(dataset, arguments)
        for column in [name for name in IMAGES if name in rows.features]:
            rows = rows.map(
                _with_files,
                fn_kwargs={"column": column, "folder": folder / "images"},
                features=rows.features,
                num_proc=min(len(os.sched_getaffinity(0)), MAX_WRITERS, len(rows)),
                writer_batch_size=WRITTEN_ROWS,
                desc=f"{column} of {dataset}",
            )
        with atomic_write(folder / FILE) as file:
            rows.to_parquet(file, batch_size=WRITTEN_ROWS)
        images = (image for name in IMAGES if name in rows.features for row in rows[name] for image in row or [])
        remote = sum(not Path(image["path"] or "").is_absolute() for image in images)
    stats = {
        "files": {FILE: {"bytes": (folder / FILE).stat().st_size, "lines": len(rows)}},
        "dataset": dataset,
        "arguments": dict(arguments),
        "rows": len(rows),
        "left_out": sum(left_out),
        "images_not_fetched": remote,
    }
    with atomic_write(folder / MARKER) as file:
        file.write(json.dumps(stats, indent=2).encode() + b"\n")
    return stats


def _finished(folder: Path, dataset: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the stats of a finished download of the same dataset with the same arguments."""
    try:
        stats: dict[str, Any] = json.loads((folder / MARKER).read_bytes())
        is_whole = (folder / FILE).stat().st_size == stats["files"][FILE]["bytes"]
        return stats if is_whole and (stats["dataset"], stats["arguments"]) == (dataset, arguments) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _load(dataset: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401  ms-swift has no types
    """Return all rows of a dataset with the columns that the trainer reads."""
    try:
        from swift.dataset import load_dataset, register_dataset_info
    except ImportError as error:
        raise UserError("fetch-data: needs ms-swift; install vlm-sft[train]") from error
    options = dict(arguments)
    registered = options.pop("custom_dataset_info", [])
    for path in [registered] if isinstance(registered, str) else registered:
        register_dataset_info(path)
    try:
        rows, _ = load_dataset([dataset], split_dataset_ratio=0.0, shuffle=False, use_hf=True, **options)
    except Exception as error:  # ms-swift and its libraries raise anything
        raise _failure(dataset, error) from error
    if not len(rows):
        raise ConfigError(
            f"{dataset}: ms-swift reads no row of it; look at the reasons above, and at train.args.columns"
        )
    # ms-swift adds `dataset` again, and empty columns where it needs them.
    empty = [name for name in rows.column_names if rows.data.column(name).null_count == len(rows)]
    return rows.remove_columns(["dataset", *empty])


def _failure(dataset: str, error: Exception) -> UserError:
    """Return what the user can do about an error of ms-swift's loader."""
    from datasets.exceptions import DatasetNotFoundError
    from httpx import HTTPError

    cause: BaseException = error
    while cause.__cause__ is not None and type(cause.__cause__).__name__ != "RemoteTraceback":
        cause = cause.__cause__
    if isinstance(cause, OSError) and cause.errno == ENOSPC:
        return UserError(f"{dataset}: {_line(cause)}; enlarge the claim, or delete what is not needed there")
    if isinstance(error, DatasetNotFoundError):
        return ConfigError(f"{dataset}: {_line(error)}; correct train.dataset, or huggingFace.tokenSecret")
    if isinstance(error, OSError | HTTPError):
        return UserError(f"{dataset}: {_line(error)}; is the hub reachable from this pod?")
    return ConfigError(f"{dataset}: {_line(cause)}; correct train.dataset or train.args.columns")


def _with_files(row: Row, column: str, folder: Path) -> Row:
    """Replace the bytes and URLs of a row's pictures by files named after their content."""
    return {column: [_in_file(image, folder) for image in row[column] or []]}


def _in_file(image: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write one picture; one that is a file already, or that cannot be read, is returned as it is."""
    from swift.template.vision_utils import load_file

    path = image["path"] or ""
    if image["bytes"] is None and Path(path).is_absolute():
        return image
    try:
        content = image["bytes"] or load_file(path).getvalue()
    except Exception:  # ms-swift raises anything; the caller counts them
        return image
    digest = sha256(content).hexdigest()
    suffix = Path(path).suffix.lower() if re.fullmatch(r"\.\w{1,5}", Path(path).suffix) else ""
    target = folder / digest[:2] / f"{digest}{suffix}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(content)
    return {"bytes": None, "path": str(target)}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other pod fetches into `folder`: several releases may start with the same dataset."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a filesystem without locks: both fetch, and the files are the same
            click.echo(f"{folder}: no file locks here", err=True)
        yield


@contextmanager
def _left_out() -> Iterator[list[int]]:
    """Collect the numbers of rows that ms-swift's preprocessors leave out, from its log."""
    counts: list[int] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if found := re.search(r"origin length: (\d+), filtered dataset length: (\d+)", record.getMessage()):
                counts.append(int(found[1]) - int(found[2]))

    logger, handler = logging.getLogger("swift"), Handler()
    logger.addHandler(handler)
    try:
        yield counts
    finally:
        logger.removeHandler(handler)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
