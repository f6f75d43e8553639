"""Counts of a preparation, by split. Every row is counted: rows_in == written + joined + sum(dropped)."""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from vlm_sft.datasets.conversation import CHOICES, Conversation, Drop
from vlm_sft.datasets.texts import foreign_tags
from vlm_sft.images.resolve import NoImage
from vlm_sft.prepare.duplicates import DuplicateIds
from vlm_sft.prepare.layout_cost import LayoutCosts

EXAMPLES = 3  # kept for each drop reason
Score = float | str | None  # of an answer, or the name of its bin; None: not readable


@dataclass
class SourceStats:
    """Rows of one source, and the images that these rows name; an image that two rows name counts twice."""

    rows: int = 0
    written: int = 0
    images_found: int = 0
    images_missing: int = 0


@dataclass
class SplitStats:
    """The counts of one split, or of a part of it."""

    rows_in: int = 0
    written: int = 0
    joined: int = 0  # rows that are parts of written conversations of other rows
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers_per_trajectory: Counter[str] = field(default_factory=Counter)
    scores: Counter[Score] = field(default_factory=Counter)
    last_scores: Counter[Score] = field(default_factory=Counter)
    history_cut: int = 0
    foreign_tags: Counter[str] = field(default_factory=Counter)  # trajectories by tag that stays in a text as typed
    sources: dict[str, SourceStats] = field(default_factory=dict)
    images: Counter[str] = field(default_factory=Counter)  # conversions, see images/resolve.py
    ids: DuplicateIds = field(default_factory=DuplicateIds)
    layouts: LayoutCosts = field(default_factory=LayoutCosts)
    tokens: dict[str, Any] | None = None
    verified: dict[str, Any] | None = None
    seconds: float = 0.0

    def add_drop(self, drop: Drop, number: int, row_id: str = "") -> None:
        """Count a row that is not written; `number` is its place in the input, from 1."""
        self.dropped[drop.reason] += 1
        if drop.reason == "source_not_selected":
            self._source(drop.detail).rows += 1
        examples = self.examples.setdefault(drop.reason, [])
        if len(examples) < EXAMPLES and drop.reason not in CHOICES:
            examples.append({"row": number, "id": row_id, "detail": drop.detail})

    def add_row(self, conversation: Conversation) -> None:
        """Count a row that the options select."""
        self.ids.add(conversation.row_id)
        self._source(conversation.source).rows += 1

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
        self.answers_per_trajectory[str(len(conversation.turns))] += 1
        texts = [conversation.question]
        for turn in conversation.turns:
            self.scores[turn.score] += 1
            texts += turn.answer, turn.reply
        if tags := foreign_tags("\n".join(texts[:-1])):
            self.foreign_tags.update(tags)
        self.last_scores[conversation.turns[-1].score] += 1
        self.history_cut += cut

    def merge(self, other: Self) -> None:
        """Add the counts of the part that follows; its row numbers count from its own first row."""
        for reason, shown in other.examples.items():
            examples = self.examples.setdefault(reason, [])
            moved = ({**one, "row": one["row"] + self.rows_in} for one in shown)
            examples.extend(list(moved)[: EXAMPLES - len(examples)])
        self.rows_in += other.rows_in
        self.written += other.written
        self.joined += other.joined
        self.history_cut += other.history_cut
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in SCORES:
            for score, count in getattr(other, name).items():
                getattr(self, name)[_bin(score)] += count
        for source, counts in other.sources.items():
            mine = self._source(source)
            for name, count in vars(counts).items():
                setattr(mine, name, getattr(mine, name) + count)
        self.ids.codes.extend(other.ids.codes)
        self.layouts.merge(other.layouts)

    def _source(self, name: str) -> SourceStats:
        return self.sources.setdefault(name, SourceStats())

    def state(self) -> dict[str, Any]:
        """Return the counts as JSON values that `from_state` reads."""
        plain = ("rows_in", "written", "joined", "history_cut", "examples", "seconds", *SCORES, *COUNTERS)
        return {name: getattr(self, name) for name in plain} | {
            "sources": {source: vars(counts) for source, counts in self.sources.items()},
            "ids": self.ids.codes.tolist(),
            "layouts": self.layouts.as_json(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what `state` returned."""
        made = dict(state) | {name: Counter(state[name]) for name in (*SCORES, *COUNTERS)}
        made["sources"] = {source: SourceStats(**counts) for source, counts in made["sources"].items()}
        made["ids"] = DuplicateIds(array("Q", made["ids"]))
        made["layouts"] = LayoutCosts.from_json(made["layouts"])
        return cls(**made)

    @property
    def drop_share(self) -> float:
        """Share, 0 to 1, of the rows that cannot be used among those that the options select."""
        excluded = sum(self.dropped[reason] for reason in CHOICES)
        selected = self.rows_in - excluded
        return (self.dropped.total() - excluded) / selected if selected else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the split's object in `stats.json`, keys in a fixed order."""
        if self.rows_in != self.written + self.joined + self.dropped.total():
            raise ValueError(
                f"rows are lost: {self.rows_in} in, {self.written} written, {self.joined} joined, {self.dropped}"
            )
        return {
            "rows_in": self.rows_in,
            "written": self.written,
            "joined": self.joined,
            "dropped": dict(sorted(self.dropped.items())),
            "drop_share": round(self.drop_share, 6),
            "drop_examples": {reason: shown for reason, shown in sorted(self.examples.items()) if shown},
            "duplicate_ids": self.ids.count(),
            "answers_per_trajectory": dict(sorted(self.answers_per_trajectory.items(), key=lambda item: int(item[0]))),
            "score_histogram": _histogram(self.scores),
            "last_score_histogram": _histogram(self.last_scores),
            "history_cut": self.history_cut,
            "foreign_tags": dict(sorted(self.foreign_tags.items())),
            "layouts": self.layouts.as_json(),
            "images": dict(sorted(self.images.items())),
            "tokens": self.tokens,
            "verified": self.verified,
            "sources": {source: vars(counts) for source, counts in sorted(self.sources.items())},
            "seconds": round(self.seconds, 2),
            "rows_per_s": round(self.rows_in / self.seconds) if self.seconds else None,
        }


SCORES = ("scores", "last_scores")
COUNTERS = ("dropped", "answers_per_trajectory", "images", "foreign_tags")


def _bin(score: Score) -> str:
    """Return the name of a score's bin: rounded to one decimal; "none" without a readable score."""
    if isinstance(score, str):
        return score
    return "none" if score is None else f"{round(score, 1):g}"


def _histogram(scores: Counter[Score]) -> dict[str, int]:
    """Return counts by score, lowest first, "none" last."""
    bins = Counter[str]()
    for score, count in scores.items():
        bins[_bin(score)] += count
    return dict(sorted(bins.items(), key=lambda item: float("inf" if item[0] == "none" else item[0])))
