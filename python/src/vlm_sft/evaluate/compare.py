"""Two evaluations of the same rows: the paired difference, and whether it is more than chance.

Shares: exact McNemar test of the rows whose outcome differs. Every value: bootstrap over the same groups of rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import ConfigError
from vlm_sft.evaluate.estimate import Estimate, difference, mcnemar
from vlm_sft.evaluate.identity import unlike
from vlm_sft.evaluate.result import IDENTITY, METRICS, read_json, read_scores
from vlm_sft.evaluate.task import Kind, Score

MIN_FLIPS = 6  # rows that flip in one direction, the fewest with an exact p below 0.05: 2 / 2**6
MAX_SHOWN = 20  # flipped rows on the screen
LOWER_IS_BETTER = {"loss", "perplexity", "score_error"}


@dataclass(frozen=True)
class Comparison:
    """One value of two evaluations, second - first."""

    name: str
    kind: Kind
    first: float
    second: float
    difference: Estimate
    wins: int  # rows in which the second is better
    losses: int
    p: float | None  # exact McNemar; None for other values than shares
    flipped: Sequence[tuple[str, str, str]]  # id, outcome of the first, of the second

    @property
    def verdict(self) -> str:
        """Return better, worse, or no difference shown, for the second against the first."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high or (self.p is not None and self.p >= 0.05):
            return "no difference shown"
        return "better" if (low > 0) != (self.name in LOWER_IS_BETTER) else "worse"


def folder_of(path: Path) -> Path:
    """Return the folder of the finished evaluation at or below `path`: a run directory, evaluation, or TASK/IDENTITY.

    Raises:
        ConfigError: there is none, or several.
    """
    if (path / METRICS).is_file():
        return path
    found = sorted(
        file.parent for pattern in ("*", "*/*", "evaluation/*/*") for file in path.glob(f"{pattern}/{METRICS}")
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{path}: {len(found)} evaluations, need one; name one of {', '.join(map(str, found))}")
    raise ConfigError(f"{path}: no {METRICS} there, so no finished evaluation; run `vlm-sft evaluate run` first")


def compare(first: Path, second: Path, kinds: Mapping[str, Kind], *, anyway: bool) -> list[Comparison]:
    """Compare all values that both evaluations have; the first one is the headline.

    Raises:
        ConfigError: the identities differ in a field that makes them incomparable, or the rows differ.
    """
    identities: list[dict[str, Any]] = [read_json(folder / IDENTITY) for folder in (first, second)]
    fields = unlike(*identities)
    if fields and not anyway:
        head = "these evaluations are not comparable, they differ in"
        raise ConfigError("\n".join(f"{head} {field}" for field in fields) + "\n--anyway compares them all the same")
    one, two = ({score.id: score for score in read_scores(folder)} for folder in (first, second))
    if one.keys() != two.keys():
        only = sorted(one.keys() ^ two.keys())
        raise ConfigError(
            f"{second}: {len(only)} rows are in one evaluation only, such as {only[0]}; evaluate the same data"
        )
    return [
        _compare(name, kind, one, two) for name, kind in kinds.items() if any(name in s.values for s in one.values())
    ]


def _compare(name: str, kind: Kind, one: Mapping[str, Score], two: Mapping[str, Score]) -> Comparison:
    both = [key for key in one if name in one[key].values and name in two[key].values]
    before, after = [one[key].values[name] for key in both], [two[key].values[name] for key in both]
    weights = [one[key].weight if kind in ("per_token", "perplexity") else 1.0 for key in both]
    if kind == "perplexity":
        before, after = [math.log(v) for v in before], [math.log(v) for v in after]
    change = difference(before, after, [one[key].group for key in both], weights)
    sign = -1 if name in LOWER_IS_BETTER else 1
    wins = sum(sign * (b - a) > 0 for a, b in zip(before, after, strict=True))
    losses = sum(sign * (b - a) < 0 for a, b in zip(before, after, strict=True))
    flipped = [(k, one[k].outcome, two[k].outcome) for k, a, b in zip(both, before, after, strict=True) if a != b]
    is_share = kind == "share"
    return Comparison(name, kind, _mean(before, weights), _mean(after, weights), change, wins, losses,
                      mcnemar(wins, losses) if is_share else None, flipped if is_share else ())  # fmt: skip


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def text_of(comparison: Comparison) -> list[str]:
    """Return the lines for a person."""
    c = comparison
    name = f"log {c.name}" if c.kind == "perplexity" else c.name
    test = "" if c.p is None else f", exact McNemar p = {c.p:.4g}"
    alike = c.difference.n - c.wins - c.losses
    lines = [
        f"{name}: {c.first:.4f} -> {c.second:.4f}, difference {c.difference}, n = {c.difference.n:,}",
        f"  {c.verdict}: {c.wins:,} rows better, {c.losses:,} worse, {alike:,} alike{test}",
    ]
    if c.verdict == "no difference shown" and c.difference.low is not None and c.difference.high is not None:
        half = (c.difference.high - c.difference.low) / 2
        if c.kind == "share":
            half = max(half, MIN_FLIPS / c.difference.n)
        lines.append(f"  a difference below about {half:.4f} cannot be seen with this many rows")
    return lines


def published(folder: Path, number: float) -> str:
    """Return whether a published number is inside the interval of an evaluation's headline.

    Raises:
        ConfigError: the evaluation has no headline or no interval.
    """
    metrics = read_json(folder / METRICS)
    name = metrics.get("headline")
    figure = (metrics.get("figures") or {}).get(name) or {}
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        raise ConfigError(
            f"{folder / METRICS}: no headline with an interval; evaluate more rows, or repair failed ones"
        )
    place = "inside" if low <= number <= high else "outside"
    return f"published {number:.4f} is {place} the interval of {name} {figure['value']:.4f} [{low:.4f}, {high:.4f}]"
