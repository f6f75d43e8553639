"""Run one preparation: rows in, samples and counts out, all or nothing. The only module that writes outputs."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from vlm_sft.atomic_file import atomic_write
from vlm_sft.datasets.conversation import Conversation
from vlm_sft.datasets.dataset import Adapter, Dataset
from vlm_sft.datasets.readers.grouped import Groups, grouped
from vlm_sft.datasets.readers.part import Cut, Part, WrongCut
from vlm_sft.datasets.readers.source import SplitInput
from vlm_sft.datasets.row_form import refuse_other_form
from vlm_sft.errors import UserError
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.resolve import ImageFinder, ImageRoots, UncheckedImages
from vlm_sft.prepare import table
from vlm_sft.prepare.convert import Converted, Converter
from vlm_sft.prepare.finished import MARKER, discard, discard_leftovers, read_finished
from vlm_sft.prepare.memory import peak_memory_mib
from vlm_sft.prepare.output import Piece, publish
from vlm_sft.prepare.settings import Settings, identities, sha256_of
from vlm_sft.prepare.shards import Shard, Slice, load, save
from vlm_sft.prepare.stats import SplitStats
from vlm_sft.prepare.token_cost import COUNTED_TRAJECTORIES, TokenCounter
from vlm_sft.prepare.workers import in_order, workers_for

PROGRESS_S = 3.0
LESS_MEMORY = "give --max-memory MIB or fewer --workers, or raise prepare.resources.limits.memory"
FIRST_ROWS = 32  # looked at to see whether the file is of this dataset

Log = Callable[[str], None]
Stats = dict[str, Any]


class Preparation:
    """One preparation of some splits of a dataset into one folder."""

    def __init__(
        self, dataset: Dataset, inputs: Sequence[SplitInput], settings: Settings, folder: Path, log: Log
    ) -> None:
        self._dataset, self._inputs, self._settings, self._folder, self._log = dataset, inputs, settings, folder, log
        self._adapter: Adapter = dataset.adapter(**settings.own)
        self._images = _image_finder(dataset, settings, folder)
        self._counter = TokenCounter(settings.count_tokens) if settings.count_tokens else None
        with_images = not settings.skip_images
        # A sample of the data is the same rows whatever the number of processes, so they are counted by one.
        self._workers = (
            1 if settings.max_samples else workers_for(settings.workers, settings.max_memory, with_images=with_images)
        )
        self.wanted, self.content = {"dataset": dataset.name, **settings.as_json()}, identities(inputs)
        self.sha256 = sha256_of(self.wanted, self.content)

    def run(self) -> Stats:
        """Convert every split and return the content of `stats.json`.

        A former preparation in the folder is discarded first. The outputs appear under their names only when all of
        them are complete and few enough rows are dropped, `stats.json` last. With `save_drops`, dropped rows are kept
        even if the preparation fails.

        Raises:
            UserError: an input is broken, too many rows are dropped, or nothing is left to write.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        discard(self._folder)
        slices: dict[str, Slice] = {}
        with ExitStack() as temporary:
            for found in self._inputs:
                piece = Piece(self._folder / f"{self._dataset.output_name(found.split)}.whole.tmp")
                temporary.callback(piece.path.unlink, missing_ok=True)
                slices[found.split] = self._convert(found, piece, self._parts_of(found))
            return self._publish([slices])

    def run_shard(self, shard: Shard) -> Stats | None:
        """Convert one slice of every split; the last shard to finish publishes all and returns the stats.

        A slice that is finished already is not converted again. None: other shards are missing.

        Raises:
            UserError: as `run`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        is_marked = (self._folder / MARKER).exists()
        if stats := self._published():
            return stats
        if is_marked:  # a former one; that of another shard of this preparation can appear at any moment, and stays
            (self._folder / MARKER).unlink(missing_ok=True)
        if load(shard, self._folder, self.sha256) is None:
            slices = {}
            for found in self._inputs:
                piece = Piece(self._folder / f"{self._dataset.output_name(found.split)}.{shard.name}")
                parts = iter(shard.slice_of(self._parts_of(found)))
                slices[found.split] = self._convert(found, piece, parts, is_whole=False)
            save(shard, self._folder, self.sha256, slices)
        made = [load(other, self._folder, self.sha256) for other in shard.others()]
        missing = [str(number) for number, one in enumerate(made) if one is None]
        if missing and (stats := self._published()):  # while this shard, which had been saved before, was made again
            discard_leftovers(self._folder)
            return stats
        if missing:
            self._log(f"shard {shard.number} of {shard.count} is finished; not yet: {', '.join(missing)}")
            return None
        try:
            stats = self._publish([one for one in made if one])
        except FileNotFoundError:  # another shard finished at the same time, has published all and tidied up
            published = self._published()
            if published is None:
                raise
            stats = published
        discard_leftovers(self._folder)
        return stats

    def _published(self) -> Stats | None:
        """Return the stats of the finished outputs if they are those of this preparation."""
        stats = read_finished(self._folder)
        return stats if stats and stats["sha256_of_settings_and_input"] == self.sha256 else None

    def _parts_of(self, found: SplitInput) -> Iterator[Part | Groups]:
        first = list(islice(found.rows(), FIRST_ROWS))
        refuse_other_form(found, self._dataset.name, first, self._adapter.outcomes(first))
        if self._adapter.key:
            return grouped(found.rows(), self._adapter.key, self._folder)
        return found.parts()

    def _convert(
        self, found: SplitInput, piece: Piece, parts: Iterator[Part | Groups], *, is_whole: bool = True
    ) -> Slice:
        """Convert the parts of one split into a file that is not yet under its final name."""
        started = reported = time.monotonic()
        stats = SplitStats()
        first: list[tuple[Conversation, list[str]]] = []
        converter = Converter(self._adapter, self._images, self._settings)
        with ExitStack() as files:
            files.callback(self._images.close)
            temporary = files.enter_context(atomic_write(piece.path))
            kept = None
            if self._settings.save_drops:
                kept = files.enter_context(atomic_write(self._folder / f"dropped_{found.split}.jsonl"))
            for made in self._converted(converter, parts, stats, is_whole=is_whole):
                piece.add(temporary, made.lines, made.image_line)
                if kept is not None:
                    _write_drops(kept, made, 0 if self._adapter.key else stats.rows_in)
                stats.merge(made.stats)
                first += made.first[: COUNTED_TRAJECTORIES - len(first)]
                if (now := time.monotonic()) - reported >= PROGRESS_S:
                    reported = now
                    self._log(table.progress(found.split, stats))
        stats.seconds = time.monotonic() - started
        if self._counter:
            self._log(f"{found.split}: counting the tokens of {len(first):,} trajectories")
            stats.tokens = self._counter.count(first, self._settings.sample_format)
        return Slice(piece, stats)

    def _converted(
        self, converter: Converter, parts: Iterator[Part | Groups], stats: SplitStats, *, is_whole: bool
    ) -> Iterator[Converted]:
        """Convert part by part, in order. After a wrong cut, the rest of the file is read in order instead."""
        enough = self._settings.max_samples

        def convert(part: Part | Groups) -> Converted | None:
            try:
                return converter.convert(part, enough - stats.written if enough else 0)
            except WrongCut:
                return None

        path: Path | None = None  # of the part's file; parts that are read in order have none
        streamed: Path | None = Path()
        rows = 0  # of the file at `path`
        for part, made in in_order(convert, parts, self._workers, LESS_MEMORY):
            if enough and stats.written >= enough:
                return
            if (of_part := getattr(part, "path", None)) != path:
                path, rows = of_part, 0
            if path == streamed:
                continue
            if made is not None:
                rows += made.stats.rows_in
                yield made
            elif not is_whole:
                raise UserError(f"{path}: cannot be cut into parts for several pods; use prepare.shards: 1")
            else:
                streamed = path
                following = cast("Cut", part).streamed(rows)
                in_process = in_order(converter.convert, following, self._workers, LESS_MEMORY)
                yield from (one for _, one in in_process)

    def _publish(self, shards: Sequence[Mapping[str, Slice]]) -> Stats:
        """Put the outputs under their names, then write stats.json."""
        splits: dict[str, SplitStats] = {}
        for found in self._inputs:
            total = splits[found.split] = SplitStats()
            for slices in shards:
                total.merge(slices[found.split].stats)
                total.seconds += slices[found.split].stats.seconds
            if len(shards) == 1:
                total.tokens = shards[0][found.split].stats.tokens
        _check_drops(splits, self._settings, self._log)
        for found in self._inputs:
            pieces = [slices[found.split].piece for slices in shards]
            publish(pieces, self._folder / self._dataset.output_name(found.split))
        self._verify(splits)
        stats = self._summary(splits)
        with atomic_write(self._folder / MARKER) as file:
            file.write(orjson.dumps(stats, option=orjson.OPT_INDENT_2) + b"\n")
        return stats

    def _verify(self, splits: Mapping[str, SplitStats]) -> None:
        """Let ms-swift read the outputs; if it does not yield every sample, remove them."""
        if not self._settings.verify:
            return
        from vlm_sft.prepare.verify import verify

        paths = {self._folder / self._dataset.output_name(split): stats for split, stats in splits.items()}
        lines = {path: self._lines(stats) for path, stats in paths.items()}
        model, max_length, workers = self._settings.verify, self._settings.max_length, self._settings.workers
        try:
            verified = verify(lines, model, max_length=max_length, workers=workers, log=self._log)
        except UserError:
            discard(self._folder)
            raise
        for path, figures in verified.items():
            paths[path].verified = asdict(figures)

    def _lines(self, stats: SplitStats) -> int:
        return stats.layouts.of[self._settings.sample_format.layout].samples

    def _summary(self, splits: Mapping[str, SplitStats]) -> Stats:
        """Return the content of `stats.json`."""
        files = {}
        for split, stats in splits.items():
            name = self._dataset.output_name(split)
            files[name] = {"bytes": (self._folder / name).stat().st_size, "lines": self._lines(stats)}
        seconds = sum(stats.seconds for stats in splits.values())
        return {
            "files": files,
            "settings": self.wanted,
            "input": self.content,
            "sha256_of_settings_and_input": self.sha256,
            "rows_in": sum(stats.rows_in for stats in splits.values()),
            "written": sum(stats.written for stats in splits.values()),
            "joined": sum(stats.joined for stats in splits.values()),
            "samples": sum(facts["lines"] for facts in files.values()),
            "dropped": dict(sorted(sum((stats.dropped for stats in splits.values()), Counter[str]()).items())),
            "history_cut": sum(stats.history_cut for stats in splits.values()),
            "splits": {split: stats.as_json() for split, stats in splits.items()},
            "seconds": round(seconds, 2),
            "rows_per_s": round(sum(stats.rows_in for stats in splits.values()) / seconds) if seconds else None,
            "workers": self._workers,
            "peak_memory_mib": round(peak_memory_mib(), 1),
        }


def _image_finder(dataset: Dataset, settings: Settings, folder: Path) -> ImageFinder:
    images = ImageFolder(folder / "images")
    if settings.skip_images:
        return UncheckedImages(settings.image_roots[0] if settings.image_roots else None, images)
    return ImageRoots(settings.image_roots, dataset.image_rewrites, images)


def _write_drops(file: BinaryIO, made: Converted, rows_before: int) -> None:
    for number, line in made.drops:
        file.write(b'{"row":%d,' % (rows_before + number) + line.removeprefix(b"{"))


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
