"""The files of a split that say how many they are: train-00003-of-00262.parquet, also with a hash after the count."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})[.-][^/]+", re.ASCII)
SHOWN = 5  # names in a message


def problems(files: Sequence[PurePath]) -> Iterator[str]:
    """Yield what is wrong with the numbered files of each folder: missing ones, or two with one number."""
    sets: dict[tuple[str, int], Counter[int]] = {}
    for path in files:
        if match := NUMBERED.fullmatch(str(path)):
            sets.setdefault((match["stem"], int(match["count"])), Counter())[int(match["number"])] += 1
    for (stem, count), numbers in sets.items():
        name = f"{PurePath(stem).name}-%05d-of-{count:05d}{files[0].suffix}"
        if missing := [name % number for number in range(count) if number not in numbers]:
            yield f"{len(missing)} of {count} files are missing: {_shown(missing)}; download them, or give one file"
        if repeated := [name % number for number, times in numbers.items() if times > 1]:
            yield f"several files are {_shown(repeated)}; keep one of each"
    counts: dict[str, list[int]] = {}
    for stem, count in sets:
        counts.setdefault(stem, []).append(count)
    for stem, several in counts.items():
        if len(several) > 1:
            sizes = " and ".join(map(str, sorted(several)))
            yield f"{PurePath(stem).name} has files of sets of {sizes} files; keep one set"


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
