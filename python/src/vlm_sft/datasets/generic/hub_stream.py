"""`vlm-sft prepare hub`: rows of any dataset that the library `datasets` can stream, from the hub or a local folder."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vlm_sft.datasets.readers.part import Part, Rows
from vlm_sft.datasets.readers.source import HUB_ID, Identity, SplitInput, identity_of
from vlm_sft.errors import UserError

PART_ROWS = 64  # with images of 200 kB: 13 MB
OPENED_AT_ONCE = 16  # image files

Row = dict[str, Any]


@dataclass(frozen=True)
class HubSplit(SplitInput):
    """One split as a stream, which begins again each time it is read."""

    stream: Any = None  # datasets.IterableDataset
    image_columns: tuple[str, ...] = ()
    place: str = ""  # what the addresses of the dataset's own image files start with

    def parts(self) -> Iterator[Part]:
        """Yield the rows in parts; images are the bytes of their files.

        Raises:
            UserError: the stream ends with an error.
        """
        done, rows = 0, iter(self.stream)
        try:
            while found := list(islice(rows, PART_ROWS)):
                if self.image_columns:
                    with ThreadPoolExecutor(OPENED_AT_ONCE) as pool:
                        found = list(pool.map(self._with_bytes, found))
                yield Rows(found)
                done += len(found)
        except Exception as error:  # the library raises whatever its readers raise
            raise UserError(
                f"--input: {self.identity['dataset']}, split {self.split}: {_in_one_line(error)}, after row {done}; "
                "repeat it after a network error; files whose rows differ in their types are read by `vlm-sft prepare "
                "jsonl`"
            ) from error

    def rows(self) -> Iterator[object]:
        """Yield the rows, one after the other."""
        for part in self.parts():
            yield from part.rows()

    def _with_bytes(self, row: Row) -> Row:
        """Read the images that are files of their own, as in a folder of images."""
        return row | {name: self._read(row[name]) for name in self.image_columns if row.get(name)}

    def _read(self, image: Any) -> Any:  # noqa: ANN401  {"bytes", "path"}, or a list of them
        if isinstance(image, list):
            return [self._read(one) for one in image]
        path = image and not image["bytes"] and image["path"]
        if not path or self.place not in path:
            return image  # a path elsewhere is looked up below --image-root
        import fsspec  # type: ignore[import-untyped]  # late: comes with datasets

        with fsspec.open(path, "rb") as file:
            return {"bytes": file.read(), "path": None}


def locate(source: str, splits: Sequence[str], subset: str, read: Collection[str]) -> list[SplitInput]:
    """Open the splits of a dataset, of which the columns `read` are used.

    Raises:
        UserError: no such dataset, subset or split, a column whose texts are not kept, or the hub cannot be reached.
    """
    path = Path(source).expanduser()
    match = HUB_ID.fullmatch(source)
    if path.is_dir():
        return _opened(source, splits, subset, read, lambda: _folder(path))
    if not match:
        raise UserError(f"--input: {source}: no such folder, and not a hub id (ORG/NAME[@REVISION])")
    return _opened(source, splits, subset, read, lambda: _repository(match["repo"], match["revision"]))


@dataclass(frozen=True)
class _Place:
    name: str  # for `datasets`
    revision: str | None
    identity: Identity
    start: str  # of the addresses of its files


def _folder(folder: Path) -> _Place:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    own = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    whole = str(folder.resolve())
    return _Place(whole, None, {"dataset": folder.name, **identity_of(own)}, f"{whole}/")


def _repository(name: str, revision: str | None) -> _Place:
    from huggingface_hub import HfApi

    commit = HfApi().dataset_info(name, revision=revision).sha
    return _Place(name, commit, {"dataset": name, "commit": commit}, f"hf://datasets/{name}@")


def _opened(
    source: str, splits: Sequence[str], subset: str, read: Collection[str], find: Callable[[], _Place]
) -> list[SplitInput]:
    try:
        from datasets import config, get_dataset_split_names, load_dataset  # late: 1 s
    except ImportError as error:
        raise UserError("hub: needs the library datasets; install vlm-sft[train]") from error
    has_torch = config.TORCH_AVAILABLE
    config.TORCH_AVAILABLE = False  # a stream imports torch, 500 MiB, for data loaders that are not used here
    try:
        place = find()
        there = get_dataset_split_names(place.name, subset or None, revision=place.revision)
        if missing := [split for split in splits if split not in there]:
            raise UserError(f"--splits: {source} has no {', '.join(missing)}; it has {', '.join(there)}")
        found: list[SplitInput] = []
        for split in splits:
            stream = load_dataset(place.name, subset or None, split=split, revision=place.revision, streaming=True)
            stream = stream.decode(False)
            if mixed := [name for name, kind in (stream.features or {}).items() if name in read and _has_json(kind)]:
                # As JSON, the text 4 and the number 4 are the same, and every other text gets quotation marks.
                raise UserError(
                    f"--input: {source}: {', '.join(mixed)}: got values of several types, such as texts and lists, "
                    "which the library datasets turns into JSON texts; need one type; use "
                    f"`vlm-sft prepare jsonl --input {source}`, which reads the files themselves"
                )
            identity = {**place.identity, "subset": subset, "split": split}
            found.append(HubSplit(split, (), identity, stream, _image_columns(stream.features or {}), place.start))
    except UserError:
        raise
    except Exception as error:  # whatever the hub and the library's readers raise
        way_out = "check the name, --subset, --splits and the network, or set HF_TOKEN if it is private or gated"
        if "scripts are no longer supported" in str(error):
            way_out = "no code of a dataset is run; use its copy in Parquet, ORG/NAME@refs/convert/parquet"
        raise UserError(f"--input: {source}: {_in_one_line(error)}; {way_out}") from error
    finally:
        config.TORCH_AVAILABLE = has_torch
    return found


def _image_columns(features: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns with an image, or a list of them."""
    from datasets import Image

    return tuple(name for name, kind in features.items() if isinstance(getattr(kind, "feature", kind), Image))


def _has_json(kind: object) -> bool:
    """True if a feature, or one inside it, is stored as the text of a JSON value."""
    from datasets import Json

    if isinstance(kind, Mapping):
        return any(map(_has_json, kind.values()))
    inner = getattr(kind, "feature", None)  # of a list
    return isinstance(kind, Json) or (inner is not None and _has_json(inner))


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300].rstrip(".")
