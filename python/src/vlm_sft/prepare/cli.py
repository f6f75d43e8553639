"""`vlm-sft prepare fire`: options in, tables out."""

from pathlib import Path

import click

from vlm_sft.datasets.fire import rows as fire
from vlm_sft.datasets.options import split_names, words
from vlm_sft.datasets.readers.source import SPLIT_FILES, locate
from vlm_sft.errors import UserError
from vlm_sft.prepare import table
from vlm_sft.prepare.finished import differences, read_finished
from vlm_sft.prepare.runner import prepare as run_preparation
from vlm_sft.prepare.settings import Settings, identities, sha256_of
from vlm_sft.prepare.swift_check import CONTROL_TOKEN, IMAGE_TAG
from vlm_sft.prepare.swift_row import FeedbackText, Form, Layout, Loss


def _plain_text(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if IMAGE_TAG in value or CONTROL_TOKEN.search(value):
        raise click.BadParameter(f"{IMAGE_TAG} and control tokens such as <|im_end|> belong to the chat template.")
    return value.strip()


@click.group()
def prepare() -> None:
    """Turn the rows of a data set into JSONL that ms-swift trains on."""


@prepare.command(name="fire")
@click.option(
    "--input",
    "source",
    required=True,
    metavar="PATH|ORG/NAME[@REV]",
    help="Folder with FIRE's files, one of the files, or a data set on the hub; JSON array or JSON lines.",
)
@click.option("--output-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Made if missing.")
@click.option(
    "--splits",
    multiple=True,
    metavar="NAME,...",
    callback=split_names,
    help=f"Of {', '.join(SPLIT_FILES)}; 1m is FIRE-1M.json.  [default: train,test; for a file, by its name]",
)
@click.option(
    "--max-samples",
    envvar="MAX_SAMPLES",
    show_envvar=True,
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Trajectories written per split, the first ones that can be; 0 = all.",
)
@click.option(
    "--max-history-rounds",
    envvar="MAX_HISTORY_ROUNDS",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    help="Answers, each with its feedback, that an answer sees before it: the newest ones. Where this cuts, the two "
    "layouts are no longer equal (see above); FIRE's longest trajectories have 5.",
)
@click.option(
    "--image-root",
    "image_roots",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder under which the image paths lie; repeat it for several, searched in order.",
)
@click.option("--skip-images", is_flag=True, help="Name the images without looking for them.")
@click.option(
    "--sources",
    multiple=True,
    metavar="NAME,...",
    callback=words,
    help="Keep only these image sources (first folder of the image path: coco, vg, ...); the rest count as "
    "source_not_selected and are no part of the drop share.",
)
@click.option(
    "--system-prompt", default="", callback=_plain_text, help="System message of every sample.  [default: none]"
)
@click.option(
    "--layout",
    type=click.Choice(["trajectory", "steps"]),
    default="trajectory",
    show_default=True,
    help="One sample per trajectory, or one per imitated answer.",
)
@click.option(
    "--loss",
    type=click.Choice(["all", "last", "revisions"]),
    default="all",
    show_default=True,
    help="Answers that are imitated: all, each trajectory's last, or all but its first. The same ones in both layouts: "
    "steps with `last` writes one sample per trajectory, the last step.",
)
@click.option(
    "--feedback",
    type=click.Choice(["text", "score-and-text"]),
    default="text",
    show_default=True,
    help="What the model is told: the feedback, or also its score in words. People who give feedback later will hardly "
    "give scores, hence the default.",
)
@click.option(
    "--max-drop-share",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Fail when a larger share of a split's rows cannot be used.",
)
@click.option(
    "--save-drops", is_flag=True, help="Write rows that are left out, with the reason, to dropped_<split>.jsonl."
)
@click.option(
    "--count-tokens",
    default="",
    metavar="MODEL",
    help="Count the input tokens of both layouts on the first 200 trajectories of each split as MODEL (folder or id) "
    "reads them, IMAGE_MAX_TOKEN_NUM included. Needs ms-swift; takes a minute and 1 GiB more.  [default: not counted]",
)
@click.option("--force", is_flag=True, help="Do it again although it is finished, say after adding images.")
def fire_command(
    source: str,
    output_dir: Path,
    splits: tuple[str, ...] | None,
    max_samples: int,
    max_history_rounds: int,
    image_roots: tuple[Path, ...],
    skip_images: bool,
    sources: tuple[str, ...],
    system_prompt: str,
    layout: Layout,
    loss: Loss,
    feedback: FeedbackText,
    max_drop_share: float,
    save_drops: bool,
    count_tokens: str,
    force: bool,
) -> None:
    """FIRE trajectories -> fire_bc_<split>.jsonl and, last of all, stats.json.

    The state is image, question, all earlier answers and their feedback; the action is the next student answer: the
    text after "Answer:", without the thought before it. The last feedback is not used.

    The layouts hold the same terms of the loss, hence the same summed loss and gradient, but `trajectory` reads each
    text and each image once instead of once per answer. A batch counts samples, so one of trajectories holds more
    answers than one of steps. They differ where history is cut (--max-history-rounds): `steps` keeps every answer and
    shortens what it sees, `trajectory` keeps the newest rounds and the last answer, and loses the answers before them.
    stats.json counts these trajectories as history_cut.

    A finished run with the same settings and input is not repeated; one with other settings is replaced.
    """
    form = Form(layout, loss, feedback, system_prompt, max_history_rounds)
    settings = Settings(form, sources, image_roots, skip_images, max_samples, max_drop_share, save_drops, count_tokens)
    _check_image_options(settings)
    try:
        _prepare(source, output_dir, splits, settings, force=force)
    except OSError as error:
        raise UserError(f"{error.filename or output_dir}: {error.strerror or error}") from error


def _check_image_options(settings: Settings) -> None:
    if settings.skip_images:
        if settings.count_tokens:
            raise click.UsageError("--count-tokens reads the images: leave out --skip-images.")
        return
    if not settings.image_roots:
        raise click.UsageError("give --image-root DIR, or --skip-images to do without a look at the images.")
    if missing := [str(root) for root in settings.image_roots if not root.is_dir()]:
        raise UserError(f"--image-root: {', '.join(missing)}: no such folder; put the images there, or --skip-images")


def _prepare(source: str, folder: Path, splits: tuple[str, ...] | None, settings: Settings, *, force: bool) -> None:
    inputs = locate(source, splits)
    asked, content = settings.as_json(), identities(inputs)
    former = None if force else read_finished(folder)
    if former is not None:
        if former["sha256_of_settings_and_input"] == sha256_of(asked, content):
            click.echo(table.summary(former))
            click.echo(f"finished before with these settings and this input: {folder}; --force does it again")
            return
        click.echo(f"{folder}: made with other settings or input, so it is replaced:", err=True)
        for line in differences(former, asked, content):
            click.echo(f"  {line}", err=True)
    stats = run_preparation(fire.parse, inputs, settings, folder, lambda line: click.echo(line, err=True))
    for wanted in settings.sources:
        if not any(wanted in counts["sources"] for counts in stats["splits"].values()):
            click.echo(f"warning: --sources {wanted}: no row has it", err=True)
    click.echo(table.summary(stats))
