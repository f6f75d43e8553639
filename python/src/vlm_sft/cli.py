"""`vlm-sft`: what the pods of the chart run, each as one sub-command; every one works on a laptop too."""

import sys

from vlm_sft.stop_signals import hold_signals

if sys.argv[1:2] == ["train"]:  # before what takes time to import
    hold_signals()

import click

from vlm_sft import __version__
from vlm_sft.lazy_group import lazy_group

# Name -> module that holds a click command of that name; imported only when it is run, so that `--help` stays quick.
COMMANDS = {
    "prepare": ("vlm_sft.prepare.cli", "dataset rows -> ms-swift JSONL"),
    "images": ("vlm_sft.images.cli", "the images that a data set names, read out of public archives"),
    "fetch": ("vlm_sft.cluster.fetch", "download a model into the cache, before a GPU is asked for"),
    "release": ("vlm_sft.cluster.release", "let a held Job start"),
    "train": ("vlm_sft.train.cli", "preflight, then ms-swift, resumed where it was interrupted"),
    "evaluate": ("vlm_sft.evaluate.cli", "generate answers with the trained model and score them"),
    "export": ("vlm_sft.export.cli", "merge the adapter, or convert the weights, to one Hugging Face folder"),
    "serve": ("vlm_sft.serve.cli", "serve a finished run, or any model, behind OpenAI's API"),
    "report": ("vlm_sft.runs.cli", "show a run's report as a table"),
    "ddp-check": ("vlm_sft.ddp_check.cli", "a tiny DDP training that tells a broken NCCL from a broken script"),
    "storage-check": ("vlm_sft.cluster.storage_check", "write, rename and read a file on the claims"),
    "jupyter": ("vlm_sft.cluster.jupyter", "JupyterLab behind a token that is made once and kept"),
    "sample": ("vlm_sft.sample.cli", "write a small data set, photographs and a tiny model to try everything on"),
}


@click.group(
    cls=lazy_group(COMMANDS), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(__version__, prog_name="vlm-sft")
def main() -> None:
    """Fine-tune vision-language models with ms-swift: the steps of one experiment."""
