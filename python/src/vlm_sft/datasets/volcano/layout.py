"""Volcano's image paths, those of LLaVA-1.5: where the same image is when the archives were unpacked otherwise.

Each rewrite is (regular expression over the whole path, replacement), and names the same image.
"""

REWRITES = (
    (r"(\d{12}\.jpg)", r"coco/train2017/\g<1>"),  # LLaVA's first instructions name COCO's images without a folder
    (r"coco/train2017/(\d{12}\.jpg)", r"\g<1>"),
    # TextVQA's archive unpacked inside a folder of its own name, as FIRE's paths have it.
    (r"textvqa/train_images/(.+)", r"textvqa/train_val_images/train_images/\g<1>"),
)
