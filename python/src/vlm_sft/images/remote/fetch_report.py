"""The result of a download: a table by source, and what to do about missing images. Text only."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlm_sft.images.wanted import Wanted

REASONS_SHOWN = 3  # per source; a failing archive can have many


@dataclass(frozen=True)
class Outcome:
    """Which of the wanted images are missing, and which were on disk before."""

    wanted: Wanted
    on_disk: frozenset[str]
    missing: Mapping[str, str]  # path -> reason


def table(outcome: Outcome) -> str:
    """Return images by source: wanted, on disk before, fetched, missing; with the reasons for missing ones."""
    sources = outcome.wanted.sources
    wanted, before = Counter(sources.values()), Counter(sources[path] for path in outcome.on_disk)
    missing = Counter(sources[path] for path in outcome.missing)
    reasons: dict[str, Counter[str]] = {source: Counter() for source in wanted}
    for path, why in outcome.missing.items():
        reasons[sources[path]][why] += 1
    width = max(map(len, ["source", *wanted]))
    lines = [f"{'source':{width}} {'wanted':>9} {'there':>9} {'fetched':>9} {'missing':>9}"]
    for source in sorted(wanted):
        lines.append(_line(source, width, wanted[source], before[source], missing[source]))
        for why, count in reasons[source].most_common(REASONS_SHOWN):
            lines.append(f"{'':{width}} {count:>9,} {why}")
    lines.append(_line("total", width, wanted.total(), before.total(), missing.total()))
    return "\n".join(lines)


def _line(name: str, width: int, wanted: int, before: int, missing: int) -> str:
    return f"{name:{width}} {wanted:>9,} {before:>9,} {wanted - before - missing:>9,} {missing:>9,}"


def too_much_missing(outcome: Outcome, max_share: float, root: Path) -> str:
    """Report the splits that lack the images of more than `max_share` of their rows, and what to do; empty if none."""
    sources, missing = outcome.wanted.sources, outcome.missing
    bad = Counter(sources[path] for path in missing)
    lacking = {source for source, count in bad.items() if count > max_share * _images(outcome, source)}
    whole = sorted(set(sources.values()) - lacking)
    leave_out = f"or leave these sources out: --sources {','.join(whole)}" if whole else "or choose other --sources"
    named = ", ".join(f"{source} {count:,}" for source, count in bad.most_common())
    return "\n".join(
        f"{split}: {share:.1%} of the rows lack their images, more than --max-missing-share {max_share:.1%} "
        f"(images missing: {named}); run this again if a server failed, put the files of these sources under {root} "
        f"yourself, {leave_out}"
        for split in outcome.wanted.rows
        if (share := outcome.wanted.missing_share(split, missing)) > max_share
    )


def _images(outcome: Outcome, source: str) -> int:
    return sum(one == source for one in outcome.wanted.sources.values())
