"""Which images a preparation will need: the image paths of the rows that it would read, by split."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.datasets.conversation import Conversation, Outcome
from vlm_sft.datasets.dataset import Adapter
from vlm_sft.datasets.image_path import normalised
from vlm_sft.datasets.readers.grouped import grouped
from vlm_sft.datasets.readers.source import SplitInput

SPARE_SHARE = 0.1  # rows beyond --max-samples: `prepare` uses them if an earlier row has no image after all
MIN_SPARE_ROWS = 20


@dataclass(frozen=True)
class Wanted:
    """The images of some rows."""

    sources: dict[str, str]  # path -> source, in the order of the rows
    rows: dict[str, Counter[tuple[str, ...]]]  # split -> image paths of a row -> number of such rows

    def missing_share(self, split: str, missing: Collection[str]) -> float:
        """Return the share, 0 to 1, of a split's rows with an image among `missing`."""
        rows = self.rows[split]
        absent = sum(count for paths, count in rows.items() if any(path in missing for path in paths))
        return absent / (rows.total() or 1)


def read_wanted(
    adapter: Adapter,
    inputs: Iterable[SplitInput],
    sources: Collection[str],
    max_samples: int,
    is_obtainable: Callable[[str], bool],
    folder: Path,
) -> Wanted:
    """Read the image paths of every row that `prepare` would read; `sources` empty means all.

    With `max_samples`, reading ends a little after this number of rows whose images are obtainable. The rows before
    them count even if their images are not obtainable, as they do in `prepare`. Groups of rows are collected in
    `folder`.

    Raises:
        UserError: an input is broken.
    """
    enough = max_samples + max(MIN_SPARE_ROWS, round(max_samples * SPARE_SHARE)) if max_samples else None
    wanted = Wanted({}, {})
    for found in inputs:
        rows = wanted.rows[found.split] = Counter()
        usable = 0
        for parsed in _outcomes(adapter, found, folder):
            if not isinstance(parsed, Conversation) or (sources and parsed.source not in sources):
                continue
            paths = tuple(normalised(image) for image in parsed.images if isinstance(image, str))
            rows[paths] += 1
            for path in paths:
                wanted.sources.setdefault(path, parsed.source)
            if enough is not None and all(map(is_obtainable, paths)):
                usable += 1
                if usable == enough:
                    break
    return wanted


def _outcomes(adapter: Adapter, found: SplitInput, folder: Path) -> Iterator[Outcome]:
    """Yield the outcomes of a split's rows in the order of `prepare`."""
    if adapter.key is None:
        for row in found.rows():
            yield from adapter.outcomes((row,))
        return
    for groups in grouped(found.rows(), adapter.key, folder):
        for group in groups.found:
            yield from adapter.outcomes([row for _, row in group])
