"""Counts of a preparation, by split. Every row is counted: rows_in == written + sum(dropped)."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vlm_sft.datasets.conversation import CHOICES, Conversation, Drop
from vlm_sft.datasets.texts import foreign_tags
from vlm_sft.images.resolve import NoImage
from vlm_sft.prepare.duplicates import DuplicateIds
from vlm_sft.prepare.layout_cost import LayoutCosts

EXAMPLES = 3  # kept for each drop reason


@dataclass
class SourceStats:
    """Rows of one source, and the images that these rows name; an image that two rows name counts twice."""

    rows: int = 0
    written: int = 0
    images_found: int = 0
    images_missing: int = 0


@dataclass
class SplitStats:
    """The counts of one split."""

    rows_in: int = 0
    written: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers_per_trajectory: Counter[int] = field(default_factory=Counter)
    scores: Counter[float | None] = field(default_factory=Counter)
    last_scores: Counter[float | None] = field(default_factory=Counter)
    history_cut: int = 0
    foreign_tags: Counter[str] = field(default_factory=Counter)  # trajectories by tag that stays in a text as typed
    sources: dict[str, SourceStats] = field(default_factory=dict)
    ids: DuplicateIds = field(default_factory=DuplicateIds)
    layouts: LayoutCosts = field(default_factory=LayoutCosts)
    tokens: dict[str, Any] | None = None
    seconds: float = 0.0

    def add_drop(self, drop: Drop, row_id: str = "") -> None:
        """Count a row that is not written; `rows_in` already counts it."""
        self.dropped[drop.reason] += 1
        if drop.reason == "source_not_selected":
            self.sources.setdefault(drop.detail, SourceStats()).rows += 1
        examples = self.examples.setdefault(drop.reason, [])
        if len(examples) < EXAMPLES and drop.reason not in CHOICES:
            examples.append({"row": self.rows_in, "id": row_id, "detail": drop.detail})

    def add_row(self, conversation: Conversation) -> None:
        """Count a row that the options select."""
        self.ids.add(conversation.row_id)
        self.sources.setdefault(conversation.source, SourceStats()).rows += 1

    def add_image(self, source: str, found: str | NoImage) -> None:
        """Count one image of a row."""
        of_source = self.sources[source]
        if isinstance(found, NoImage):
            of_source.images_missing += 1
        else:
            of_source.images_found += 1

    def add_written(self, conversation: Conversation, *, cut: bool) -> None:
        """Count a trajectory that is written."""
        self.written += 1
        self.sources[conversation.source].written += 1
        self.answers_per_trajectory[len(conversation.turns)] += 1
        texts = [conversation.question]
        for turn in conversation.turns:
            self.scores[turn.score] += 1
            texts += turn.answer, turn.reply
        if tags := foreign_tags("\n".join(texts[:-1])):
            self.foreign_tags.update(tags)
        self.last_scores[conversation.turns[-1].score] += 1
        self.history_cut += cut

    @property
    def drop_share(self) -> float:
        """Share, 0 to 1, of the rows that cannot be used among those that the options select."""
        excluded = sum(self.dropped[reason] for reason in CHOICES)
        selected = self.rows_in - excluded
        return (self.dropped.total() - excluded) / selected if selected else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the split's object in `stats.json`, keys in a fixed order."""
        if self.rows_in != self.written + self.dropped.total():
            raise ValueError(f"rows are lost: {self.rows_in} in, {self.written} written, {self.dropped} dropped")
        return {
            "rows_in": self.rows_in,
            "written": self.written,
            "dropped": dict(sorted(self.dropped.items())),
            "drop_share": round(self.drop_share, 6),
            "drop_examples": {reason: shown for reason, shown in sorted(self.examples.items()) if shown},
            "duplicate_ids": self.ids.count(),
            "answers_per_trajectory": {str(count): rows for count, rows in sorted(self.answers_per_trajectory.items())},
            "score_histogram": _histogram(self.scores),
            "last_score_histogram": _histogram(self.last_scores),
            "history_cut": self.history_cut,
            "foreign_tags": dict(sorted(self.foreign_tags.items())),
            "layouts": self.layouts.as_json(),
            "tokens": self.tokens,
            "sources": {source: vars(counts) for source, counts in sorted(self.sources.items())},
            "seconds": round(self.seconds, 2),
            "rows_per_s": round(self.rows_in / self.seconds) if self.seconds else None,
        }


def _histogram(scores: Counter[float | None]) -> dict[str, int]:
    """Return counts by score, rounded to one decimal, lowest first; "none" counts answers without a readable score."""
    bins: Counter[float] = Counter()
    for score, count in scores.items():
        bins[math.inf if score is None else round(score, 1)] += count
    return {"none" if score == math.inf else f"{score:g}": bins[score] for score in sorted(bins)}
