"""FIRE's image paths: where the same image is when the archives were unpacked in another layout.

A FIRE row names `coco/train2014/000000123456.jpg`; the official archive unpacks it as
`COCO_train2014_000000123456.jpg`. Each rewrite is (regular expression over the whole path, replacement). The path
itself is tried first, then the rewrites that match, in this order. Every rewrite names the same image.
"""

# MathVista's rows are written both as mathvista/images/N.jpg and as bare images/N.jpg.
SOURCE_OF_FOLDER = {"images": "mathvista"}

REWRITES = (
    # COCO 2014 archives prefix the name; the 2017 split contains the same images under the plain 12 digits.
    (r"coco/(train|val)2014/(\d{12}\.jpg)", r"coco/\g<1>2014/COCO_\g<1>2014_\g<2>"),
    (r"coco/(?:train|val)2014/(\d{12}\.jpg)", r"coco/train2017/\g<1>"),
    (r"coco/(?:train|val)2014/(\d{12}\.jpg)", r"coco/val2017/\g<1>"),
    # SEED-Bench's archive has no file extensions.
    (r"(seedbench/.+)\.jpg", r"\g<1>"),
    (r"scienceqa/images/test/(.+)", r"scienceqa/images/\g<1>"),
    # TextVQA: FIRE has three levels, LLaVA's layout two.
    (r"textvqa/train_val_images/(.+)", r"textvqa/\g<1>"),
    # MathVerse's archive has an extra level.
    (r"mathverse/(images_version.+)", r"mathverse/images/\g<1>"),
    (r"images/(.+)", r"mathvista/images/\g<1>"),
    (r"mathvista/images/(.+)", r"images/\g<1>"),
    (r"docvqa/documents/(.+)", r"docvqa/train/documents/\g<1>"),
    (r"docvqa/train/documents/(.+)", r"docvqa/documents/\g<1>"),
    # Open-LLaVA-NeXT's instructions unpack ChartQA into a folder called chatqa.
    (r"chartqa/(.+)", r"chatqa/\g<1>"),
    # LLaVA-Pretrain unpacked at the root, or without the name of its dataset.
    (r"llava/llava_pretrain/images/(.+)", r"llava_pretrain/images/\g<1>"),
    (r"llava/llava_pretrain/images/(.+)", r"\g<1>"),
)
