"""`vlm-sft`: the commands that the chart's pods run; each works on a laptop too."""

import sys

from vlm_sft.stop_signals import hold_signals

if sys.argv[1:2] == ["train"]:  # before the slow imports
    hold_signals()

import click

from vlm_sft import __version__
from vlm_sft.lazy_group import lazy_group

# Name -> module with a click command of that name, imported only when it runs, so that `--help` is fast.
COMMANDS = {
    "prepare": ("vlm_sft.prepare.cli", "convert dataset rows to ms-swift JSONL"),
    "check": ("vlm_sft.check.cli", "report what ms-swift would lose or spoil of JSONL files"),
    "images": ("vlm_sft.images.cli", "download the images that a dataset names from public archives"),
    "fetch": ("vlm_sft.cluster.fetch", "download a model into the cache before any GPU is requested"),
    "fetch-data": (
        "vlm_sft.cluster.fetch_data",
        "download a hub dataset as ms-swift reads it, before any GPU is requested",
    ),
    "release": ("vlm_sft.cluster.release", "start a held Job"),
    "trackers": ("vlm_sft.train.trackers", "check that this image has the packages of train.args.report_to"),
    "train": ("vlm_sft.train.cli", "check the run, then train with ms-swift; an interrupted run resumes"),
    "evaluate": ("vlm_sft.evaluate.cli", "generate a model's answers, score them, compare models"),
    "export": ("vlm_sft.export.cli", "merge the adapter, or convert the weights, into one Hugging Face folder"),
    "serve": ("vlm_sft.serve.cli", "serve a finished run, or any model, with an OpenAI-compatible API"),
    "report": ("vlm_sft.runs.cli", "show a run's report as a table"),
    "ddp-check": ("vlm_sft.ddp_check.cli", "run a tiny DDP training that shows whether NCCL works"),
    "storage-check": ("vlm_sft.cluster.storage_check", "write, rename and read a file on the volume claims"),
    "jupyter": ("vlm_sft.cluster.jupyter", "run JupyterLab with a token that is created once and kept"),
    "sample": ("vlm_sft.sample.cli", "write a small dataset, photographs and a tiny model for trying everything"),
}


@click.group(
    cls=lazy_group(COMMANDS), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(__version__, prog_name="vlm-sft")
def main() -> None:
    """Fine-tune vision-language models with ms-swift: the steps of one experiment."""


if __name__ == "__main__":
    main(prog_name="vlm-sft")
