"""Robo2VLM-1: 685,000 multiple-choice questions about pictures of robots at work."""

from vlm_sft.datasets.dataset import Adapter, Dataset
from vlm_sft.datasets.robo2vlm.rows import parse

ROBO2VLM = Dataset(
    name="robo2vlm",
    title="Robo2VLM-1",
    about="The model sees the image, the question, and one line per choice, such as `B. Down`, as in RLinf. It is "
    "trained on the line of the right choice. The files of the splits may be in one folder.",
    formats="Parquet",
    hub_id="keplerccc/Robo2VLM-1",
    adapter=lambda: Adapter(parse),
    split_files={
        split: (f"data/{split}-*.parquet", f"{split}-*.parquet", f"*/{split}-*.parquet") for split in ("train", "test")
    },
    default_splits=("train", "test"),
    columns=("question", "choices", "correct_answer", "image"),
    needs_images=False,
    about_sources="start of the id up to the first _, such as droid",
)
