"""`vlm-sft export`: parses and prints; `vlm_sft.export.run` does the work."""

from pathlib import Path

import click

from vlm_sft.export.run import export as run_export


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs to use; 0: the CPU.")
def export(run_dir: Path, gpus: int) -> None:
    """Write the model of the finished run in RUN_DIR to RUN_DIR/export, as a folder that transformers and vLLM load.

    A LoRA adapter is merged into its model, shards (Megatron, FSDP2) are converted, whole weights are linked. An export
    that exists already is kept.
    """
    click.echo(run_export(run_dir, gpus, lambda line: click.echo(line, err=True)))
