"""`vlm-sft check FILE...`: what ms-swift would lose or spoil of data that somebody already has."""

import sys
from pathlib import Path
from typing import Any

import click

from vlm_sft.check import report
from vlm_sft.check.file_check import Options, check_files
from vlm_sft.check.input_file import problem_of
from vlm_sft.check.near import find_near
from vlm_sft.check.row_check import TextRules
from vlm_sft.check.tokens import control_tokens, count_tokens
from vlm_sft.errors import UserError
from vlm_sft.prepare.swift_check import CONTROL_TOKEN
from vlm_sft.prepare.swift_template import load_template
from vlm_sft.prepare.workers import cores


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--image-root",
    envvar="ROOT_IMAGE_DIR",
    show_envvar=True,
    default=".",
    type=click.Path(exists=True, file_okay=False),
    help="Folder where relative image paths start.  [default: the working folder]",
)
@click.option("--skip-images", is_flag=True, help="Do not look for the images.")
@click.option(
    "--skip-near", is_flag=True, help="Do not look for rows of one file whose text is nearly the same in another."
)
@click.option(
    "--model",
    default="",
    metavar="MODEL",
    help="Folder or id of a model: look for its control tokens, and count the tokens with its template and with "
    "IMAGE_MAX_TOKEN_NUM. Needs ms-swift.  [default: look for texts such as <|im_end|>]",
)
@click.option(
    "--max-length",
    type=click.IntRange(min=0),
    default=0,
    help="Count the rows with more tokens than this, as --max_length of ms-swift; needs --model.  [default: no limit]",
)
@click.option(
    "--token-rows",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Number of rows of each file whose tokens are counted, evenly spread; 0 = all.",
)
@click.option(
    "--places", type=click.IntRange(min=1), default=3, show_default=True, help="Places shown of each kind of finding."
)
@click.option("--workers", type=click.IntRange(min=0), default=0, help="Number of processes.  [default: one per core]")
@click.option("format_", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How the report is written.")  # fmt: skip
def check(
    paths: tuple[Path, ...],
    image_root: str,
    skip_images: bool,
    skip_near: bool,
    model: str,
    max_length: int,
    token_rows: int,
    places: int,
    workers: int,
    format_: str,
) -> None:
    """Check every row of JSONL files, or of JSON arrays, in any of ms-swift's formats.

    Reports what ms-swift would lose or spoil without a word, with file, line, field and reason, and rows that are in
    two of the files, for example in the training and in the validation file. The files are not changed.

    Exit code: 0 if no row is lost or spoiled, 1 if one is, 2 for a wrong option.
    """
    if max_length and not model:
        raise click.UsageError("--max-length counts tokens; give --model too")
    try:
        if problems := [f"{path}: {problem}" for path in paths if (problem := problem_of(path))]:
            raise UserError("\n".join(problems))
        template = load_template(model, "--model") if model else None
        rules = TextRules(control_tokens(template) if template else CONTROL_TOKEN)
        options = Options(rules, image_root, skip_images, places, workers or cores())
        files = check_files(list(dict.fromkeys(paths)), options)
        if len(files) > 1 and not skip_near and (reason := find_near(files, options.workers)):
            click.echo(f"warning: {reason}", err=True)
        tokens: dict[str, Any] = {}
        if template:
            tokens = {file.name: count_tokens(file, template, image_root, max_length, token_rows) for file in files}
    except OSError as error:
        raise UserError(f"{error.filename or paths[0]}: {error.strerror or error}") from error
    if format_ == "json":
        click.echo(report.as_json(files, tokens))
    else:
        click.echo(report.as_text(files, tokens, with_images=not skip_images))
    sys.exit(not report.is_fine(files))
