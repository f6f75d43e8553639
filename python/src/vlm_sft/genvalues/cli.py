"""`genvalues`: report every mistake in a values file before any GPU is requested. This file lists the commands."""

import gc

import click

from vlm_sft import __version__
from vlm_sft.lazy_group import lazy_group

# Name -> module that holds a click command of the same name; imported only when it runs, for a start-up of 0.1 s.
COMMANDS = {
    "new": ("vlm_sft.genvalues.commands.new", "write a new values file from options or answers"),
    "validate": ("vlm_sft.genvalues.commands.validate", "find every mistake in values files"),
    "show": ("vlm_sft.genvalues.commands.show", "show the merged values and where each one comes from"),
    "diff": ("vlm_sft.genvalues.commands.diff", "compare two values files in terms of the run"),
    "batch": ("vlm_sft.genvalues.commands.sizing", "effective batch size, optimizer steps, settings for a target"),
    "memory": ("vlm_sft.genvalues.commands.sizing", "predicted peak of each GPU, and what would make it fit"),
    "hours": ("vlm_sft.genvalues.commands.sizing", "steps, tokens, FLOPs and GPU hours"),
    "schema": ("vlm_sft.genvalues.commands.chart", "print the JSON schema, for editors"),
    "docs": ("vlm_sft.genvalues.commands.chart", "print the table of values in the README of the chart"),
}


@click.group(
    cls=lazy_group(COMMANDS), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(__version__, prog_name="genvalues")
def main() -> None:
    """Check, size and write values files: no cluster, no GPU, no network."""
    gc.disable()  # a run lives for seconds and its trees until the end; collecting takes half the time of a large file


if __name__ == "__main__":
    main(prog_name="genvalues")
