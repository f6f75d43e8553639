"""Which images a preparation will ask for: the paths of the rows that it would read, split by split."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from vlm_sft.datasets.conversation import Drop
from vlm_sft.datasets.fire.rows import parse
from vlm_sft.datasets.readers.json_rows import read_rows
from vlm_sft.datasets.readers.source import SplitFile

SPARE_SHARE = 0.1  # rows beyond --max-samples: `prepare` goes on to them where a row has no image after all
LEAST_SPARE_ROWS = 20


@dataclass(frozen=True)
class Wanted:
    """The images of some rows."""

    sources: dict[str, str]  # path -> source, in the order of the rows
    rows: dict[str, Counter[str]]  # split -> path -> rows that show it

    def missing_share(self, split: str, missing: Collection[str]) -> float:
        """Share of a split's rows, 0 to 1, whose image is among `missing`."""
        rows = self.rows[split]
        return sum(count for path, count in rows.items() if path in missing) / (rows.total() or 1)


def read_wanted(
    inputs: Iterable[SplitFile], sources: Collection[str], max_samples: int, is_obtainable: Callable[[str], bool]
) -> Wanted:
    """Read the image paths of every row that `prepare` would look at; `sources` empty means all.

    With `max_samples`, reading ends a little after as many rows whose image `is_obtainable`, and the rows before them
    count whatever their image, as they do in `prepare`.

    Raises:
        UserError: an input is broken.
    """
    enough = max_samples + max(LEAST_SPARE_ROWS, round(max_samples * SPARE_SHARE)) if max_samples else None
    wanted = Wanted({}, {})
    for found in inputs:
        rows = wanted.rows[found.split] = Counter[str]()
        usable = 0
        for row in read_rows(found.path):
            parsed = row if isinstance(row, Drop) else parse(row)
            if isinstance(parsed, Drop) or (sources and parsed.source not in sources):
                continue
            for path in parsed.images:
                wanted.sources.setdefault(path, parsed.source)
                rows[path] += 1
            if enough is not None and all(map(is_obtainable, parsed.images)):
                usable += 1
                if usable == enough:
                    break
    return wanted
