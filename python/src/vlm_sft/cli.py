"""`vlm-sft`: what the pods of the chart run, each as one sub-command; every one works on a laptop too."""

from importlib import import_module

import click

from vlm_sft import __version__

# Name -> module that holds a click command of that name; imported only when it is run, so that `--help` stays quick.
COMMANDS = {
    "prepare": ("vlm_sft.prepare.cli", "dataset rows -> ms-swift JSONL"),
    "images": ("vlm_sft.images.cli", "the images that a data set names, read out of public archives"),
    "fetch": ("vlm_sft.cluster.fetch", "download a model into the cache, before a GPU is asked for"),
    "release": ("vlm_sft.cluster.release", "let a held Job start"),
    "train": ("vlm_sft.train.cli", "preflight, then ms-swift, resumed where it was interrupted"),
    "evaluate": ("vlm_sft.evaluate.cli", "generate answers with the trained model and score them"),
    "report": ("vlm_sft.train.report_cli", "show a run's report as a table"),
    "jupyter": ("vlm_sft.cluster.jupyter", "JupyterLab behind a token that is made once and kept"),
    "sample": ("vlm_sft.sample.cli", "write a small data set, photographs and a tiny model to try everything on"),
}


class LazyGroup(click.Group):
    """A click group whose commands live in modules that are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the sub-commands in the order of a run."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the sub-command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the sub-commands with their one-line help without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="vlm-sft")
def main() -> None:
    """Fine-tune vision-language models with ms-swift: the steps of one experiment."""
