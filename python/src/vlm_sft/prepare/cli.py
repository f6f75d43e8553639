"""`vlm-sft prepare NAME`: options in, tables out."""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import Any

import click

from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.options import row_options
from vlm_sft.datasets.readers.source import locate
from vlm_sft.datasets.registry import DATASETS
from vlm_sft.datasets.texts import IMAGE_TAG
from vlm_sft.errors import UserError
from vlm_sft.prepare import table
from vlm_sft.prepare.finished import differences, read_finished
from vlm_sft.prepare.runner import Preparation
from vlm_sft.prepare.settings import Settings
from vlm_sft.prepare.shards import Shard
from vlm_sft.prepare.swift_check import CONTROL_TOKEN
from vlm_sft.prepare.swift_row import SampleFormat

HELP = """Rows of {dataset.title} -> {output} and stats.json.

{dataset.about}

Both layouts contain the same loss terms, so the summed loss and its gradient are the same. `trajectory` reads each text
and each image once; `steps` reads them once per answer. A batch counts samples, so a batch of trajectories contains
more answers than a batch of steps.

The layouts differ where history is cut (--max-history-rounds): `steps` keeps every answer and shortens its history;
`trajectory` keeps the newest rounds and the last answer, and loses the answers before them. stats.json counts these
trajectories as history_cut.

stats.json is written last, when the outputs are complete. A finished run with the same settings and input is not
repeated; one with other settings or input is replaced.
"""


def _plain_text(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if IMAGE_TAG in value or CONTROL_TOKEN.search(value):
        raise click.BadParameter(f"{IMAGE_TAG} and control tokens such as <|im_end|> belong to the chat template.")
    return value.strip()


@click.group()
def prepare() -> None:
    """Convert the rows of a dataset into JSONL that ms-swift trains on."""


FEEDBACK = click.option(
    "--feedback",
    type=click.Choice(["text", "score-and-text"]),
    default="text",
    show_default=True,
    help="Feedback that the model sees: its text, or also its score in words. The default is text only, because "
    "users rarely give scores.",
)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds all `options` to a command."""
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def _shard(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Shard | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", value, re.ASCII)
    if not match or int(match[1]) >= int(match[2]):
        raise click.BadParameter(f"got {value!r}, need I/N with I from 0 to N-1, such as 0/4.")
    return Shard(int(match[1]), int(match[2]))


def _log(line: str) -> None:
    click.echo(line, err=True)


def _command(dataset: Dataset) -> click.Command:
    @click.command(dataset.name, help=HELP.format(dataset=dataset, output=dataset.output_name("<split>")))
    @row_options(dataset)
    @click.option(
        "--output-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Created if missing."
    )
    @click.option(
        "--max-history-rounds",
        envvar="MAX_HISTORY_ROUNDS",
        show_envvar=True,
        type=click.IntRange(min=1),
        default=SampleFormat().max_history_rounds,
        help="Number of earlier answers, each with the reply to it, that an answer sees: the newest ones.  "
        "[default: all]",
    )
    @click.option(
        "--image-root",
        "image_roots",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Folder that contains the image paths. Repeat it for several folders, searched in order."
        + ("" if dataset.needs_images else "  [default: the folder of the input]"),
    )
    @click.option("--skip-images", is_flag=True, help="Do not check that the image files exist.")
    @click.option(
        "--system-prompt",
        default="",
        callback=_plain_text,
        help="System message of every sample whose row has none.  [default: none]",
    )
    @click.option(
        "--layout",
        type=click.Choice(["trajectory", "steps"]),
        default="trajectory",
        show_default=True,
        help="One sample per trajectory, or one per answer that is trained on.",
    )
    @click.option(
        "--loss",
        type=click.Choice(["all", "last", "revisions"]),
        default="all",
        show_default=True,
        help="Answers that are trained on: all, the last of each trajectory, or all but the first. They are the "
        "same in both layouts: steps with `last` writes one sample per trajectory.",
    )
    @_options(*([FEEDBACK] if dataset.has_scores else []), *dataset.options)
    @click.option(
        "--max-drop-share",
        type=click.FloatRange(0, 1),
        default=0.05,
        show_default=True,
        help="Fail if a larger share of a split's rows cannot be used.",
    )
    @click.option("--save-drops", is_flag=True, help="Write dropped rows with the reason to dropped_<split>.jsonl.")
    @click.option(
        "--count-tokens",
        default="",
        metavar="MODEL",
        help="Count the input tokens of both layouts on the first 200 trajectories of each split, as MODEL (folder or "
        "id) reads them with IMAGE_MAX_TOKEN_NUM. Needs ms-swift; takes a minute and 1 GiB of memory.  "
        "[default: not counted]",
    )
    @click.option(
        "--verify",
        default="",
        metavar="MODEL",
        help="Load the outputs with ms-swift's own loader, encode every sample as MODEL (folder or id) reads it, and "
        "fail unless all of them can be trained on. Needs ms-swift.  [default: not verified]",
    )
    @click.option(
        "--max-length",
        type=click.IntRange(min=1),
        metavar="TOKENS",
        help="Report the samples that are longer, with --verify.  [default: the model's limit]",
    )
    @click.option(
        "--workers",
        type=click.IntRange(min=0),
        default=0,
        help="Number of processes. The outputs do not depend on it.  [default: one for each core]",
    )
    @click.option(
        "--max-memory",
        type=click.IntRange(min=0),
        default=0,
        metavar="MIB",
        help="Start only as many processes as fit into this memory.  [default: no limit]",
    )
    @click.option(
        "--shard",
        callback=_shard,
        metavar="I/N",
        help="Convert slice I, from 0, of N slices of the input, for N pods with one --output-dir. The last one to "
        "finish publishes the outputs, which are the same as without this option.  [default: the whole input]",
    )
    @click.option("--force", is_flag=True, help="Repeat a finished run, for example after adding images.")
    def command(
        source: str,
        splits: tuple[str, ...] | None,
        output_dir: Path,
        shard: Shard | None,
        force: bool,
        **options: Any,  # noqa: ANN401  each is a field of SampleFormat or Settings, or of the dataset
    ) -> None:
        own = {name: options.pop(name) for name in dataset.own_options()}
        options["max_length"] = options["max_length"] or 0
        options["image_roots"] = options["image_roots"] or _beside(dataset, Path(source).expanduser())
        of_form = {field.name for field in fields(SampleFormat)} & options.keys()
        form = SampleFormat(**{name: options.pop(name) for name in of_form})
        settings = Settings(form, **options, own=own)
        _check_image_options(dataset, settings)
        if shard and (settings.max_samples or settings.save_drops or settings.count_tokens or force):
            raise click.UsageError("--shard: leave out --max-samples, --save-drops, --count-tokens and --force.")
        try:
            preparation = Preparation(dataset, locate(dataset, source, splits, own), settings, output_dir, _log)
            _run(preparation, output_dir, settings.sources, shard, force=force)
        except OSError as error:
            raise UserError(f"{error.filename or output_dir}: {error.strerror or error}") from error

    return command


def _beside(dataset: Dataset, source: Path) -> tuple[Path, ...]:
    """Return where the images of somebody's own files are without --image-root: below the folder of the input."""
    if dataset.needs_images or not source.exists():
        return ()
    return (source if source.is_dir() else source.parent,)


def _check_image_options(dataset: Dataset, settings: Settings) -> None:
    if settings.skip_images:
        if settings.count_tokens or settings.verify:
            raise click.UsageError("--count-tokens and --verify read the images: leave out --skip-images.")
        return
    if not settings.image_roots and dataset.needs_images:
        raise click.UsageError("give --image-root DIR, or --skip-images to write samples without checking the images.")
    if missing := [str(root) for root in settings.image_roots if not root.is_dir()]:
        raise UserError(
            f"--image-root: {', '.join(missing)}: no such folder; put the images there, or use --skip-images"
        )


def _run(preparation: Preparation, folder: Path, sources: Sequence[str], shard: Shard | None, *, force: bool) -> None:
    former = None if force else read_finished(folder)
    if former is not None:
        if former["sha256_of_settings_and_input"] == preparation.sha256:
            click.echo(table.summary(former))
            click.echo(f"already finished with these settings and this input: {folder}; --force repeats it")
            return
        _log(f"{folder}: made with other settings or input, so it is replaced:")
        for line in differences(former, preparation.wanted, preparation.content):
            _log(f"  {line}")
    stats = preparation.run_shard(shard) if shard else preparation.run()
    if stats is None:
        return
    for name in sources:
        if not any(name in counts["sources"] for counts in stats["splits"].values()):
            _log(f"warning: --sources {name}: no row has it")
    click.echo(table.summary(stats))


for _dataset in DATASETS.values():
    prepare.add_command(_command(_dataset))
