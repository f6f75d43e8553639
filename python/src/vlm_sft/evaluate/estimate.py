"""A figure and its 95 % interval: Wilson's for shares, else a seeded bootstrap over groups of rows.

Wilson 1927; percentile bootstrap: Efron 1979. Turns of one dialogue or questions about one image are not independent,
so a group is drawn as a whole, and every figure is a ratio of two sums over the drawn groups.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_sft.evaluate.task import Kind

LEVEL = 0.95
RESAMPLES, BATCH = 2000, 200  # BATCH bounds the memory: 200 x rows x 8 bytes
SEED = 20260
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; `low` and `high` are None if there is one group only."""

    value: float
    low: float | None
    high: float | None
    n: int  # [rows]
    method: str

    def __str__(self) -> str:
        """Return `0.8996 [0.8922, 0.9066]`."""
        if self.low is None or self.high is None:
            return f"{self.value:.4f} [no interval: one independent row]"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def estimate(kind: Kind, values: Sequence[float], groups: Sequence[str], weights: Sequence[float]) -> Estimate:
    """Return the figure of at least one row.

    Args:
        kind: share, mean, per_token or perplexity.
        values: one number per row.
        groups: which rows are not independent.
        weights: [target tokens] of each row; used by per_token and perplexity.
    """
    number = len(set(groups))
    if kind == "share" and (number == len(values) or len(set(values)) == 1):
        return wilson(sum(values) / len(values) * number, number, len(values))
    exponential = kind == "perplexity"
    numbers = np.log(np.asarray(values, float)) if exponential else np.asarray(values, float)
    weight = np.asarray(weights, float) if kind in ("per_token", "perplexity") else np.ones(len(values))
    value, low, high = _bootstrap(*_sums(numbers, weight, groups))
    if exponential:
        value, low, high = math.exp(value), low and math.exp(low), high and math.exp(high)
    return Estimate(
        value, low, high, len(values), f"bootstrap over {number} groups, {RESAMPLES} resamples, seed {SEED}"
    )


def wilson(successes: float, n: int, rows: int | None = None) -> Estimate:
    """Return a share of `n` independent rows with Wilson's score interval."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + LEVEL) / 2))
    share, zz = successes / n, z * z
    centre = (share + zz / (2 * n)) / (1 + zz / n)
    half = z * math.sqrt(share * (1 - share) / n + zz / (4 * n * n)) / (1 + zz / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), rows or n, "Wilson")


def difference(first: Sequence[float], second: Sequence[float], groups: Sequence[str],
               weights: Sequence[float]) -> Estimate:  # fmt: skip
    """Return second - first of paired rows, with a bootstrap interval over the same groups."""
    numbers = np.asarray(second, float) - np.asarray(first, float)
    value, low, high = _bootstrap(*_sums(numbers, np.asarray(weights, float), groups))
    number = len(set(groups))
    return Estimate(value, low, high, len(first), f"paired bootstrap over {number} groups, seed {SEED}")


def mcnemar(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value that flips are as likely in both directions (McNemar 1947)."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _sums(values: Floats, weights: Floats, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Return the weighted sum of values, and the sum of weights, of each group."""
    places = np.unique(np.asarray(groups), return_inverse=True)[1]
    return np.bincount(places, values * weights).astype(float), np.bincount(places, weights).astype(float)


def _bootstrap(sums: Floats, weights: Floats) -> tuple[float, float | None, float | None]:
    """Return the ratio of both totals and the percentiles of its resamples."""
    value = float(sums.sum() / weights.sum())
    if len(sums) < 2:
        return value, None, None
    from scipy.stats import bootstrap

    def ratio(top: Floats, bottom: Floats, axis: int = -1) -> Floats:
        return np.asarray(top.sum(axis) / bottom.sum(axis))

    result = bootstrap(
        (sums, weights),
        ratio,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=BATCH,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return value, float(result.confidence_interval.low), float(result.confidence_interval.high)
