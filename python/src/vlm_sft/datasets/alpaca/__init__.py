"""The Alpaca family: an instruction, an optional input, one output. Parquet, CSV, JSON or JSON lines."""

from vlm_sft.datasets.alpaca.rows import parse
from vlm_sft.datasets.dataset import Adapter, Dataset

ALPACA = Dataset(
    name="alpaca",
    title="Alpaca",
    about="The question is the instruction, and below it the input where the row has one; the answer is the output. "
    "The field text, which repeats all of them as a prompt of the original model, is not used.",
    formats="Parquet, CSV, JSON array or JSON lines",
    hub_id="tatsu-lab/alpaca",
    adapter=lambda: Adapter(parse),
    split_files={
        "train": ("data/train-*.parquet", "train-*.parquet", "*train*.*", "*alpaca*.json*", "*.parquet", "*.csv"),
        "test": ("data/test-*.parquet", "test-*.parquet", "*test*.*"),
    },
    default_splits=("train",),
    needs_images=False,
    about_sources="all rows have the source alpaca",
)
