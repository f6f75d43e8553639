"""`vlm-sft prepare NAME`: options in, tables out."""

from dataclasses import fields
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
from vlm_sft.prepare.runner import prepare as run_preparation
from vlm_sft.prepare.settings import Settings, identities, sha256_of
from vlm_sft.prepare.swift_check import CONTROL_TOKEN
from vlm_sft.prepare.swift_row import SampleFormat

HELP = """{dataset.title}'s rows -> {output} and stats.json.

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
        default=6,
        show_default=True,
        help="Number of earlier answers, each with its feedback, that an answer sees: the newest ones.",
    )
    @click.option(
        "--image-root",
        "image_roots",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Folder that contains the image paths. Repeat it for several folders, searched in order.",
    )
    @click.option("--skip-images", is_flag=True, help="Do not check that the image files exist.")
    @click.option(
        "--system-prompt", default="", callback=_plain_text, help="System message of every sample.  [default: none]"
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
    @click.option(
        "--feedback",
        type=click.Choice(["text", "score-and-text"]),
        default="text",
        show_default=True,
        help="Feedback that the model sees: its text, or also its score in words. The default is text only, because "
        "users rarely give scores.",
    )
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
    @click.option("--force", is_flag=True, help="Repeat a finished run, for example after adding images.")
    def command(
        source: str,
        splits: tuple[str, ...] | None,
        output_dir: Path,
        force: bool,
        **options: Any,  # noqa: ANN401  each is a field of SampleFormat or Settings
    ) -> None:
        form = SampleFormat(**{field.name: options.pop(field.name) for field in fields(SampleFormat)})
        settings = Settings(form, **options)
        _check_image_options(settings)
        try:
            _prepare(dataset, source, output_dir, splits, settings, force=force)
        except OSError as error:
            raise UserError(f"{error.filename or output_dir}: {error.strerror or error}") from error

    return command


for _dataset in DATASETS.values():
    prepare.add_command(_command(_dataset))


def _check_image_options(settings: Settings) -> None:
    if settings.skip_images:
        if settings.count_tokens:
            raise click.UsageError("--count-tokens reads the images: leave out --skip-images.")
        return
    if not settings.image_roots:
        raise click.UsageError("give --image-root DIR, or --skip-images to write samples without checking the images.")
    if missing := [str(root) for root in settings.image_roots if not root.is_dir()]:
        raise UserError(
            f"--image-root: {', '.join(missing)}: no such folder; put the images there, or use --skip-images"
        )


def _prepare(
    dataset: Dataset, source: str, folder: Path, splits: tuple[str, ...] | None, settings: Settings, *, force: bool
) -> None:
    inputs = locate(dataset, source, splits)
    wanted, content = settings.as_json(), identities(inputs)
    former = None if force else read_finished(folder)
    if former is not None:
        names = {dataset.output_name(found.split) for found in inputs}  # another dataset may read the same input
        if former["sha256_of_settings_and_input"] == sha256_of(wanted, content) and former["files"].keys() == names:
            click.echo(table.summary(former))
            click.echo(f"already finished with these settings and this input: {folder}; --force repeats it")
            return
        click.echo(f"{folder}: made with other settings or input, so it is replaced:", err=True)
        for line in differences(former, wanted, content):
            click.echo(f"  {line}", err=True)
    stats = run_preparation(dataset, inputs, settings, folder, lambda line: click.echo(line, err=True))
    for name in settings.sources:
        if not any(name in counts["sources"] for counts in stats["splits"].values()):
            click.echo(f"warning: --sources {name}: no row has it", err=True)
    click.echo(table.summary(stats))
