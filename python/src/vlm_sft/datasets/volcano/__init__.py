"""Volcano: the LLaVA-1.5 mix, and 274,000 prompts to criticise, revise and compare answers about an image."""

from pathlib import Path

import click

from vlm_sft.datasets.dataset import Adapter, Dataset
from vlm_sft.datasets.volcano.layout import REWRITES
from vlm_sft.datasets.volcano.rows import parse
from vlm_sft.datasets.volcano.trajectories import key, parse_group

TRAJECTORIES = "trajectories"


def _adapter(**own: str) -> Adapter:  # `as`, the option's name, cannot be a parameter
    return Adapter(key=key, parse_group=parse_group) if own.get("as") == TRAJECTORIES else Adapter(parse)


VOLCANO = Dataset(
    name="volcano",
    title="Volcano",
    about="Each row is a conversation, with an image or without one. Some rows are single questions that ask for a "
    "critique of an answer, for a revision, or for the better of the two. --as trajectories joins these rows into "
    "conversations in which the critique is the user's reply, and leaves out all other rows. Where the first answer is "
    "the better one, the conversation ends before the revision.",
    hub_id="kaist-ai/volcano-train",
    adapter=_adapter,
    options=(
        click.option(
            "--as",
            type=click.Choice(["rows", TRAJECTORIES]),
            default="rows",
            show_default=True,
            help="Write every row as it is, or join critique, revise and decide rows.",
        ),
    ),
    split_files={"train": ("volcano-train.json", "volcano-train-*.json", "volcano-train*.jsonl")},
    default_splits=("train",),
    image_rewrites=REWRITES,
    # The images are those of LLaVA-1.5, which FIRE has too.
    archive_table=Path(__file__).parents[1] / "fire" / "archives.yaml",
    about_images="Volcano contains paths only. LLaVA-1.5's images of COCO, GQA, OCR-VQA, TextVQA and Visual Genome are "
    "in public zip archives, 72 GB in total. The command reads only the named images out of them.",
)
