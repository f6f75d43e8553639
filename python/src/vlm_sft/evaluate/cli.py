"""`vlm-sft evaluate`: its sub-commands, imported when they are used."""

import click

from vlm_sft.lazy_group import lazy_group

COMMANDS = {
    "run": ("vlm_sft.evaluate.run_cli", "generate answers and score them; an interrupted one continues"),
    "score": ("vlm_sft.evaluate.score_cli", "score existing predictions again, without a GPU"),
    "compare": ("vlm_sft.evaluate.compare_cli", "compare two evaluations row by row, or one with a published number"),
}


@click.group(cls=lazy_group(COMMANDS))
def evaluate() -> None:
    """Evaluate a model: generate its answers, score them, compare two models."""
