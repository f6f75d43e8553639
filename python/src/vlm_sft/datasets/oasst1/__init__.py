"""OpenAssistant: trees of messages, in 35 languages, in which several assistants answer the same prompt."""

import click

from vlm_sft.datasets.dataset import Dataset
from vlm_sft.datasets.oasst1.trees import adapter
from vlm_sft.datasets.options import words

OASST1 = Dataset(
    name="oasst1",
    title="OpenAssistant",
    about="A row is one message of a tree. A sample is a path from the first prompt to an answer. Messages that were "
    "deleted, or that reviewers refused, end a path before them. Every message of a written path counts as joined, the "
    "last one as written.",
    formats="Parquet, JSON array or JSON lines",
    hub_id="OpenAssistant/oasst1",
    adapter=adapter,
    split_files={
        "train": ("data/train-*.parquet", "train-*.parquet", "*train*.*", "*ready.messages.jsonl"),
        "validation": ("data/validation-*.parquet", "validation-*.parquet", "*validation*.*"),
    },
    default_splits=("train", "validation"),
    options=(
        click.option(
            "--threads",
            type=click.Choice(["best", "all"]),
            default="best",
            show_default=True,
            help="Paths of a tree: the one with the best ranked answer at every prompt, or all.",
        ),
        click.option(
            "--languages",
            multiple=True,
            metavar="CODE,...",
            callback=words,
            help="Use only trees in these languages, such as en,pt-BR.  [default: all]",
        ),
        click.option("--unreviewed", is_flag=True, help="Use messages too that no reviewer has accepted."),
    ),
    needs_images=False,
    about_sources="the language of the first prompt, such as en",
)
