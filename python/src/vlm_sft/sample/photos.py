"""The photographs of the sample, under FIRE's image paths with all their irregularities."""

import io
from importlib.resources import files
from pathlib import Path

from PIL import Image

from vlm_sft.atomic_file import atomic_write

# Path on disk -> photograph. FIRE's rows have other names for some of them: coco/train2014/000000123456.jpg has the
# prefix of COCO's archive on disk, and SEED-Bench's files have no extension.
ON_DISK = {
    "coco/train2017/000000254871.jpg": "astronaut",
    "vg/VG_100K/2331536.jpg": "camera",
    "coco/train2014/COCO_train2014_000000123456.jpg": "cat",
    "gqa/images/n336443.jpg": "coffee",
    "textvqa/train_val_images/train_images/0004c9478eeda995.jpg": "coins",
    "seedbench/SEED-Bench-image/341486_825594355": "rocket",
    "geoqa+/images/17.png": "hubble",
    "allava_vflan/images/images_191task_1k/VQA-E+574_COCO_1.jpg": "tower",
    "ocr_vqa/images/0439888877.jpg": "flower",
    "mathvista/images/660.jpg": "retina",
    "images/412.jpg": "tower",
}


def write_photos(folder: Path) -> int:
    """Write every photograph under `folder`; return their number. A path that ends in .png is a PNG."""
    photos = files("vlm_sft.sample") / "data" / "photos"
    for path, name in ON_DISK.items():
        data = (photos / f"{name}.jpg").read_bytes()
        if path.endswith(".png"):
            buffer = io.BytesIO()
            Image.open(io.BytesIO(data)).save(buffer, format="PNG")
            data = buffer.getvalue()
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(data)
    return len(ON_DISK)
