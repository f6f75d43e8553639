"""Run one preparation: rows in, samples and counts out, all or nothing. The only module that writes outputs."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from vlm_sft.atomic_file import atomic_write
from vlm_sft.datasets.conversation import Conversation, Drop, id_of
from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.readers.json_rows import read_rows
from vlm_sft.datasets.readers.source import SplitFile
from vlm_sft.errors import UserError
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.resolve import ImageFinder, ImageRoots, NoImage, UncheckedImages
from vlm_sft.prepare import table
from vlm_sft.prepare.finished import MARKER, discard
from vlm_sft.prepare.memory import peak_memory_mib
from vlm_sft.prepare.settings import Settings, identities, sha256_of
from vlm_sft.prepare.stats import SplitStats
from vlm_sft.prepare.swift_check import problem_of
from vlm_sft.prepare.swift_row import is_cut, samples, trained_answers
from vlm_sft.prepare.token_cost import COUNTED_TRAJECTORIES, TokenCounter

BATCH_ROWS = 32  # rows at a time, whose images are looked up in parallel; 256 is 25 % slower because of the CPU cache
PROGRESS_S = 3.0

Log = Callable[[str], None]
Stats = dict[str, Any]


def prepare(dataset: Dataset, inputs: Sequence[SplitFile], settings: Settings, folder: Path, log: Log) -> Stats:
    """Convert every split into `folder` and return the content of `stats.json`.

    A former preparation in `folder` is discarded first. The outputs appear under their names only when all of them are
    complete and few enough rows are dropped, `stats.json` last. With `save_drops`, dropped rows are kept even if the
    preparation fails.

    Raises:
        UserError: an input is broken, too many rows are dropped, or nothing is left to write.
    """
    counter = TokenCounter(settings.count_tokens) if settings.count_tokens else None
    folder.mkdir(parents=True, exist_ok=True)
    discard(folder)
    splits: dict[str, SplitStats] = {}
    with ExitStack() as outputs:
        images = outputs.enter_context(closing(_image_finder(dataset, settings, folder)))
        with ExitStack() as drops:
            for found in inputs:
                output = outputs.enter_context(atomic_write(folder / dataset.output_name(found.split)))
                kept = None
                if settings.save_drops:
                    kept = drops.enter_context(atomic_write(folder / f"dropped_{found.split}.jsonl"))
                conversion = Conversion(found, dataset, images, settings, log)
                splits[found.split] = conversion.run(output, kept)
                if counter:
                    log(f"{found.split}: counting the tokens of {len(conversion.first):,} trajectories")
                    conversion.stats.tokens = counter.count(conversion.first, settings.sample_format)
        _check_drops(splits, settings, log)
    stats = _summary(dataset, splits, inputs, settings, folder)
    with atomic_write(folder / MARKER) as file:
        file.write(orjson.dumps(stats, option=orjson.OPT_INDENT_2) + b"\n")
    return stats


class Conversion:
    """The conversion of one split, from its file to its output."""

    def __init__(self, found: SplitFile, dataset: Dataset, images: ImageFinder, settings: Settings, log: Log) -> None:
        self.stats = SplitStats()
        self.first: list[tuple[Conversation, list[str]]] = []  # with their images, for counting tokens
        self._found, self._parse, self._images, self._settings, self._log = found, dataset.parse, images, settings, log
        self._format = settings.sample_format

    def run(self, output: BinaryIO, kept_drops: BinaryIO | None) -> SplitStats:
        """Convert row by row until the end of the file or `max_samples`."""
        started = time.monotonic()
        stats, enough = self.stats, self._settings.max_samples or math.inf
        for row, parsed in self._parsed_rows():
            if stats.written >= enough:
                break
            stats.rows_in += 1
            made = parsed if isinstance(parsed, Drop) else self._lines(parsed)
            if not isinstance(made, Drop):
                output.writelines(made)
                continue
            stats.add_drop(made, id_of(row))
            if kept_drops is not None:
                kept_drops.write(_drop_line(made, stats.rows_in, row))
        stats.seconds = time.monotonic() - started
        return stats

    def _parsed_rows(self) -> Iterator[tuple[object, Conversation | Drop]]:
        """Yield each row with its parsed form, after looking up its images; log the progress."""
        rows = read_rows(self._found.path)
        reported = time.monotonic()
        while batch := list(islice(rows, BATCH_ROWS)):
            parsed = [row if isinstance(row, Drop) else self._selected(self._parse(row)) for row in batch]
            self._images.prefetch(path for one in parsed if isinstance(one, Conversation) for path in one.images)
            yield from zip(batch, parsed, strict=True)
            if (now := time.monotonic()) - reported >= PROGRESS_S:
                reported = now
                self._log(table.progress(self._found.split, self.stats))

    def _selected(self, parsed: Conversation | Drop) -> Conversation | Drop:
        """Drop a conversation that the options exclude, before its images are looked up."""
        if isinstance(parsed, Drop):
            return parsed
        if self._settings.sources and parsed.source not in self._settings.sources:
            return Drop("source_not_selected", parsed.source)
        if not trained_answers(len(parsed.turns), self._format.loss):
            return Drop("no_revision")
        return parsed

    def _lines(self, conversation: Conversation) -> list[bytes] | Drop:
        """Return the lines for one conversation, after counting it; or the reason why there are none."""
        self.stats.add_row(conversation)
        images = []
        for path in conversation.images:
            found = self._images.find(path)
            self.stats.add_image(conversation.source, found)
            if isinstance(found, NoImage):
                return Drop(found.reason, found.detail)
            images.append(found)
        written = samples(conversation, images, self._format)
        lines = []
        for sample in written:
            if problem := problem_of(sample):
                return problem
            lines.append(orjson.dumps(sample, option=orjson.OPT_APPEND_NEWLINE))
        if self._settings.count_tokens and len(self.first) < COUNTED_TRAJECTORIES:
            self.first.append((conversation, images))
        self.stats.layouts.add(conversation, written, self._format)
        self.stats.add_written(conversation, cut=is_cut(conversation, self._format))
        return lines


def _image_finder(dataset: Dataset, settings: Settings, folder: Path) -> ImageFinder:
    images = ImageFolder(folder / "images")
    if settings.skip_images:
        return UncheckedImages(settings.image_roots[0] if settings.image_roots else None, images)
    return ImageRoots(settings.image_roots, dataset.image_rewrites, images)


def _drop_line(drop: Drop, number: int, row: object) -> bytes:
    """Return one line of dropped_<split>.jsonl: the reason, the row's number in its file (from 1), and the row."""
    line = {"reason": drop.reason, "detail": drop.detail, "row": number}
    try:
        return orjson.dumps(line | {"data": None if isinstance(row, Drop) else row}, default=float) + b"\n"
    except orjson.JSONEncodeError:  # nested too deep, or an integer over 64 bits
        return orjson.dumps(line | {"data": None}) + b"\n"


def _check_drops(splits: Mapping[str, SplitStats], settings: Settings, log: Log) -> None:
    """Raise a UserError if too many rows of a split are dropped, or none is left."""
    problems = []
    for split, stats in splits.items():
        if stats.drop_share > settings.max_drop_share:
            problems.append(
                f"{split}: {stats.drop_share:.1%} of the rows dropped, more than --max-drop-share "
                f"{settings.max_drop_share:.1%}; fix the cause, choose --sources that you have, or raise the share"
            )
        elif not stats.written:
            seen = ", ".join(sorted(stats.sources)) or "none"
            problems.append(
                f"{split}: nothing to write of {stats.rows_in} rows (requested sources: "
                f"{', '.join(settings.sources) or 'all'}; found: {seen}); "
                "leave this split out of --splits, or choose other --sources"
            )
    if problems:
        log(table.drops(splits))
        raise UserError("\n".join(problems))


def _summary(
    dataset: Dataset,
    splits: Mapping[str, SplitStats],
    inputs: Sequence[SplitFile],
    settings: Settings,
    folder: Path,
) -> Stats:
    """Return the content of `stats.json`."""
    wanted, content = settings.as_json(), identities(inputs)
    files = {}
    for split, stats in splits.items():
        name = dataset.output_name(split)
        lines = stats.layouts.of[settings.sample_format.layout].samples
        files[name] = {"bytes": (folder / name).stat().st_size, "lines": lines}
    seconds = sum(stats.seconds for stats in splits.values())
    return {
        "files": files,
        "settings": wanted,
        "input": content,
        "sha256_of_settings_and_input": sha256_of(wanted, content),
        "rows_in": sum(stats.rows_in for stats in splits.values()),
        "written": sum(stats.written for stats in splits.values()),
        "samples": sum(facts["lines"] for facts in files.values()),
        "dropped": dict(sorted(sum((stats.dropped for stats in splits.values()), Counter()).items())),
        "history_cut": sum(stats.history_cut for stats in splits.values()),
        "splits": {split: stats.as_json() for split, stats in splits.items()},
        "seconds": round(seconds, 2),
        "rows_per_s": round(sum(stats.rows_in for stats in splits.values()) / seconds) if seconds else None,
        "peak_memory_mib": round(peak_memory_mib(), 1),
    }
