r"""`vlm-sft sample`: everything that a first run needs, without network access.

One of its rows, in FIRE's format:

    {"id": "cat-01", "image": "coco/train2014/000000123456.jpg",
     "question": {"from": "human", "value": "<image>\nWhat animal is it?"},
     "groundtruth": {"from": "gpt", "value": "A cat."},
     "conversations": [
      {"role": "student", "type": "response", "value": "Thought: It has fur and whiskers.\nAnswer: A fox.\n\n"},
      {"role": "teacher", "type": "feedback", "value": "Score: 3.\nFeedback: Foxes are redder ...\n"}, ...]}
"""

from importlib.resources import files
from pathlib import Path

import click

from vlm_sft.atomic_file import atomic_write
from vlm_sft.errors import UserError
from vlm_sft.sample.photos import write_photos

ROWS = ("FIRE-train-100K.json", "FIRE-test.json")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def sample(folder: Path) -> None:
    """Write FOLDER/fire (trajectories), FOLDER/images (photographs) and FOLDER/model (a tiny random Qwen3-VL).

    The files are the same every time; nothing is downloaded.
    """
    try:
        from vlm_sft.sample.model import write_model
    except ImportError as error:
        raise UserError(f"{error.name}: not installed; run pip install 'vlm-sft[train]'") from None
    (folder / "fire").mkdir(parents=True, exist_ok=True)
    for name in ROWS:
        with atomic_write(folder / "fire" / name) as file:
            file.write((files("vlm_sft.sample") / "data" / name).read_bytes())
    photos = write_photos(folder / "images")
    parameters = write_model(folder / "model")
    click.echo(
        f"{folder}: {len(ROWS)} files of trajectories, {photos} photographs, a model of {parameters:,} parameters"
    )
