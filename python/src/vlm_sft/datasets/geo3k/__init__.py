"""Geometry3K: 3,000 geometry problems, each with a diagram and a short answer in LaTeX."""

from functools import partial

import click

from vlm_sft.datasets.dataset import Adapter, Dataset
from vlm_sft.datasets.geo3k.rows import Target, parse


def _adapter(target: Target = "boxed") -> Adapter:
    return Adapter(partial(parse, target=target))


GEO3K = Dataset(
    name="geo3k",
    title="Geometry3K",
    about="The model sees the diagram where the problem's image tag is, and the problem. It is trained on the answer. "
    "The choices of multiple-choice copies are not used. --input also takes hiyouga/geometry3k, which has a split "
    "validation.",
    formats="Parquet",
    hub_id="chenhegu/geo3k_imgurl",
    adapter=_adapter,
    split_files={
        split: (f"{split}.parquet", f"data/{split}-*.parquet", f"{split}-*.parquet")
        for split in ("train", "validation", "test")
    },
    default_splits=("train", "test"),
    columns=("images", "problem", "answer"),
    options=(
        click.option(
            "--target",
            type=click.Choice(["boxed", "plain"]),
            default="boxed",
            show_default=True,
            help="boxed: the problem asks for a boxed answer, and the model is trained on `Answer: \\boxed{answer}`, "
            "which slime's recipe trains on and its evaluation reads. plain: the problem and the answer as they are.",
        ),
    ),
    needs_images=False,
    about_sources="all rows have the source geo3k",
)
