"""`genvalues new`: write a values file from a few answers, given as options or at a prompt."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands.new_experiment import NewExperiment
from vlm_sft.genvalues.commands.new_file import new_file
from vlm_sft.genvalues.commands.options import FILE, chart_option, helm_option
from vlm_sft.genvalues.rules.chart_rules import release_name_problem
from vlm_sft.genvalues.sizing.gpu import find_gpu
from vlm_sft.genvalues.sizing.prepared_rows import HAS_IMAGES
from vlm_sft.genvalues.values.chart import Chart, find_chart, load_chart

GPUS, TARGET = click.IntRange(1, 16), click.IntRange(1)
# Prompts for missing options: option -> question, type, default.
QUESTIONS: dict[str, tuple[str, "click.ParamType[Any]", Any]] = {
    "dataset": (f"dataset: {', '.join(HAS_IMAGES)}, a hub id or a path", click.STRING, "fire"),
    "model": ("model: a hub id, or a path on a claim", click.STRING, "Qwen/Qwen3-VL-8B-Instruct"),
    "gpus": ("GPUs of each node", GPUS, 1),
    "target": ("effective batch size, in samples", TARGET, 16),
}


@click.command()
@click.argument("name")
@click.option(
    "--dataset",
    metavar="NAME",
    help=f"{', '.join(HAS_IMAGES)}; or what ms-swift takes: a hub id or a path, with #500.",
)
@click.option("--model", metavar="ID", help="Hub id, or a path that starts with /.")
@click.option("--gpus", type=GPUS, help="GPUs of each node.")
@click.option("--nodes", type=click.IntRange(1, 1000), default=1, help="Nodes (1).")
@click.option("--target", type=TARGET, help="Effective batch size to reach, in samples.")
@click.option("--gpu", metavar="KIND", default="a100-80g", help="Kind of GPU that it is to fit (a100-80g).")
@click.option("--question", metavar="TEXT", default="", help="What the experiment is to answer, for its header.")
@click.option("--out", type=FILE, default=Path("values"), metavar="DIR", help="Folder (values).")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@chart_option
@helm_option
def new(
    name: str, nodes: int, gpu: str, question: str, out: Path, force: bool, chart_folder: Path | None, helm: str | None,
    **given: Any,  # noqa: ANN401 - the options among QUESTIONS
) -> None:  # fmt: skip
    """Write DIR/NAME.yaml: a short values file for an experiment, which passes `genvalues validate`.

    Missing answers are prompted for: dataset, model, GPUs, effective batch size.
    """
    kind = find_gpu(gpu)
    chart = load_chart(find_chart(chart_folder), helm)
    path = _target(chart, name, out, force)
    schema = Path(os.path.relpath(chart.directory.resolve(), out.resolve()), "values.schema.json").as_posix()
    sized, text = new_file(NewExperiment(nodes=nodes, **_answers(given)), kind, question, schema, chart)
    _write(path, text)
    click.echo(path)
    click.echo(f"{'warning: ' if sized.fits is False else ''}{sized.verdict}", err=True)


def _target(chart: Chart, name: str, out: Path, force: bool) -> Path:
    """Return the file to write; raises UserError when it cannot be one or exists."""
    wrong = release_name_problem(chart, name)
    if wrong:
        raise UserError(f"NAME: {wrong}")
    path = out / f"{name}.yaml"
    if not out.is_dir():
        raise UserError(f"--out: {out} is no folder; make it, or name another")
    if path.exists() and not force:
        raise UserError(f"{path}: exists; choose another NAME, or write over it with --force")
    return path


def _answers(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options, asking for those that are missing when somebody is there to answer."""
    missing = [option for option in QUESTIONS if given[option] is None]
    if missing and not sys.stdin.isatty():
        listed = ", ".join(f"--{option}" for option in missing)
        raise click.UsageError(f"missing {listed}: give {'them' if len(missing) > 1 else 'it'}, or run in a terminal")
    for option in missing:
        text, kind, default = QUESTIONS[option]
        given[option] = click.prompt(text, type=kind, default=default, err=True)
    return given


def _write(path: Path, text: str) -> None:
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
