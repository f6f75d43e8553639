"""FIRE: 100,000 (or a million) dialogues in which a teacher scores a student's answers about an image."""

from pathlib import Path

from vlm_sft.datasets.dataset import Adapter, Dataset
from vlm_sft.datasets.fire.layout import REWRITES
from vlm_sft.datasets.fire.rows import parse

FIRE = Dataset(
    name="fire",
    title="FIRE",
    about="The model sees the image, the question, and all earlier answers with their feedback. It is trained on the "
    'student\'s next answer: the text after "Answer:", without the thought before it. The last feedback is not used. '
    "The longest trajectories have 5 answers before the last one. The split 1m is FIRE-1M.json.",
    hub_id="PengxiangLi/FIRE",
    adapter=lambda: Adapter(parse),
    has_scores=True,
    split_files={
        "train": ("FIRE-train-100K.json", "FIRE-train-100K.jsonl"),
        "test": ("FIRE-test.json", "FIRE-test.jsonl"),
        "1m": ("FIRE-1M.json", "FIRE-1M.jsonl", "FIRE_1M.json", "fire_1m_dataset.json"),
    },
    default_splits=("train", "test"),
    image_rewrites=REWRITES,
    archive_table=Path(__file__).with_name("archives.yaml"),
    about_images="FIRE contains paths only. The images are in two dozen public zip archives, 250 GB in total. The "
    "command reads only the named images out of them: about 80,000 images, 15 GB.",
)
