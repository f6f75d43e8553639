"""Convert one part of a split: rows -> lines and counts. Runs in any process, and writes nothing but images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import cast

import orjson

from vlm_sft.datasets.conversation import Conversation, Drop, Joined, Outcome, id_of
from vlm_sft.datasets.dataset import Adapter
from vlm_sft.datasets.readers.grouped import Groups
from vlm_sft.datasets.readers.part import Part
from vlm_sft.images.resolve import ImageFinder, NoImage
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.stats import SplitStats
from vlm_sft.prepare.swift_check import control_character, problem_of
from vlm_sft.prepare.swift_row import is_cut, samples, trained_turns
from vlm_sft.prepare.token_cost import COUNTED_TRAJECTORIES

BATCH_ROWS = 32  # rows at a time, whose images are looked up in parallel; 256 is 25 % slower because of the CPU cache

Read = tuple[int, object, Outcome, bool]  # number of the row, the row, what became of it, whether it begins a group


@dataclass
class Converted:
    """What one part became."""

    lines: bytes = b""
    image_line: tuple[int, int] | None = None  # (start, end) in `lines` of the first line with an image
    stats: SplitStats = field(default_factory=SplitStats)
    drops: list[tuple[int, bytes]] = field(default_factory=list)  # number of the row, and its JSON object
    first: list[tuple[Conversation, list[str]]] = field(default_factory=list)  # with images, for counting tokens


@dataclass
class _Group:
    """What became of the rows of a group so far."""

    joined: list[tuple[int, object]] = field(default_factory=list)
    is_written: bool = False
    lost: Drop | None = None  # why a conversation of the group is not written


class Converter:
    """Converts the parts of one split."""

    def __init__(self, adapter: Adapter, images: ImageFinder, settings: Settings) -> None:
        self._adapter, self._images, self._settings = adapter, images, settings
        self._format = settings.sample_format

    def convert(self, part: Part | Groups, enough: int = 0) -> Converted:
        """Convert the rows of `part`, or only until `enough` of them are written; 0: all.

        Raises:
            WrongCut: see `Part`.
            UserError: the part cannot be read.
        """
        self._images.take_counts()  # of a part that was cut wrongly
        made, stats, written = Converted(), SplitStats(), list[bytes]()
        made.stats, size = stats, 0
        group = _Group()
        for number, row, outcome, begins in self._looked_up(part):
            if begins:
                self._settle(group, made)
                group = _Group()
            if enough and stats.written >= enough:
                break
            stats.rows_in += 1
            if isinstance(outcome, Joined):
                group.joined.append((number, row))
                continue
            lines = outcome if isinstance(outcome, Drop) else self._lines(outcome, made)
            if isinstance(lines, Drop):
                self._drop(lines, number, row, made)
                group.lost = lines if isinstance(outcome, Conversation) else group.lost
                continue
            group.is_written = True
            if made.image_line is None and isinstance(outcome, Conversation) and outcome.images:
                made.image_line = (size, size + len(lines[0]))
            written += lines
            size += sum(map(len, lines))
        self._settle(group, made)
        made.lines = b"".join(written)
        stats.images.update(self._images.take_counts())
        return made

    def _drop(self, drop: Drop, number: int, row: object, made: Converted) -> None:
        made.stats.add_drop(drop, number, id_of(row))
        if self._settings.save_drops:
            made.drops.append((number, _drop_line(drop, row)))

    def _settle(self, group: "_Group", made: Converted) -> None:
        """Count the joined rows of a group: as its conversation, which may be dropped."""
        if group.is_written or group.lost is None:
            made.stats.joined += len(group.joined)
            return
        for number, row in group.joined:
            self._drop(group.lost, number, row, made)

    def _looked_up(self, part: Part | Groups) -> Iterator[Read]:
        """Yield each row with its outcome, after looking up the images of a batch of rows."""
        outcomes = self._outcomes(part)
        while batch := list(islice(outcomes, BATCH_ROWS)):
            self._images.prefetch(
                image for _, _, outcome, _ in batch if isinstance(outcome, Conversation) for image in outcome.images
            )
            yield from batch

    def _outcomes(self, part: Part | Groups) -> Iterator[Read]:
        if isinstance(part, Groups):
            for group in part.found:
                rows = [row for _, row in group]
                outcomes: Sequence[Outcome] = [rows[0]] if isinstance(rows[0], Drop) else self._adapter.outcomes(rows)
                for place, ((number, row), outcome) in enumerate(zip(group, outcomes, strict=True)):
                    yield number, row, self._selected(outcome), place == 0
            return
        unread, number = part.rows(), 0
        while batch := list(islice(unread, BATCH_ROWS)):
            for row, outcome in zip(batch, self._adapter.outcomes(batch), strict=True):
                number += 1
                yield number, row, self._selected(outcome), False

    def _selected(self, outcome: Outcome) -> Outcome:
        """Drop a conversation that the options exclude, before its images are looked up."""
        if not isinstance(outcome, Conversation):
            return outcome
        if self._settings.sources and outcome.source not in self._settings.sources:
            return Drop("source_not_selected", outcome.source)
        if not trained_turns(outcome, self._format.loss):
            return Drop("no_revision" if self._format.loss == "revisions" else "no_trained_answer")
        return outcome

    def _lines(self, conversation: Conversation, made: Converted) -> list[bytes] | Drop:
        """Return the lines for one conversation, after counting it; or the reason why there are none."""
        stats = made.stats
        stats.add_row(conversation)
        images = []
        for image in conversation.images:
            found = self._images.find(image)
            stats.add_image(conversation.source, found)
            if isinstance(found, NoImage):
                return Drop(found.reason, found.detail)
            images.append(found)
        written = samples(conversation, images, self._format)
        lines = []
        for sample in written:
            if problem := problem_of(sample):
                return problem
            line = orjson.dumps(sample, option=orjson.OPT_APPEND_NEWLINE)
            if damaged := control_character(line):
                return damaged
            lines.append(line)
        if self._settings.count_tokens and len(made.first) < COUNTED_TRAJECTORIES:
            made.first.append((replace(conversation, images=tuple(images)), images))
        stats.layouts.add(conversation, images, written, self._format)
        stats.add_written(conversation, cut=is_cut(conversation, self._format))
        return lines


def _drop_line(drop: Drop, row: object) -> bytes:
    """Return one line of dropped_<split>.jsonl without the row's number: the reason, and the row."""
    line = {"reason": drop.reason, "detail": drop.detail}
    try:
        return orjson.dumps(line | {"data": None if isinstance(row, Drop) else row}, default=_plain) + b"\n"
    except orjson.JSONEncodeError:  # nested too deep, an integer over 64 bits, or a lone surrogate
        return orjson.dumps({"reason": drop.reason, "detail": ascii(drop.detail), "data": None}) + b"\n"


def _plain(value: object) -> object:
    """Return a value that JSON does not have: the bytes of an image by their number, a decimal as a number."""
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    return float(cast("float", value))
