"""FIRE's table of archives: every path prefix of FIRE has its archives."""

import pytest
import yaml
from vlm_sft.datasets.fire import FIRE
from vlm_sft.images.archive_table import NO_RULE, ArchiveTable, load_table
from vlm_sft.images.remote.hub_url import HubFile

# One path of every prefix in FIRE, and the member name that is tried first; None: no archive contains it.
PATHS = {
    "coco/train2017/000000496160.jpg": "train2017/000000496160.jpg",
    "coco/train2014/000000123456.jpg": "train2017/000000123456.jpg",
    "coco/val2014/000000123456.jpg": "train2017/000000123456.jpg",
    "gqa/images/n336443.jpg": "images/n336443.jpg",
    "vg/VG_100K/2331536.jpg": "VG_100K/2331536.jpg",
    "vg/VG_100K_2/2331536.jpg": "VG_100K_2/2331536.jpg",
    "ocr_vqa/images/0439888877.jpg": "0439888877.jpg",
    "textvqa/train_val_images/train_images/0004c9478eeda995.jpg": "train_images/0004c9478eeda995.jpg",
    "textvqa/train_images/0004c9478eeda995.jpg": "train_images/0004c9478eeda995.jpg",
    "share_textvqa/images/0004c9478eeda995.jpg": "0004c9478eeda995.jpg",
    "allava_vflan/images/images_191task_1k/VQA-E+x_574_COCO_train2014_000000119456.jpg":
        "VQA-E+x_574_COCO_train2014_000000119456.jpg",
    "docvqa/documents/xnbl0037_1.png": "docvqa/train/documents/xnbl0037_1.png",
    "docvqa/train/documents/xnbl0037_1.png": "docvqa/train/documents/xnbl0037_1.png",
    "chartqa/train/png/00006834003065.png": "train/png/00006834003065.png",
    "chartqa/test/png/41699051005347.png": "test/png/41699051005347.png",
    "dvqa/images/bar_val_easy_00017109.png": "dvqa/images/bar_val_easy_00017109.png",
    "ai2d/images/3456.png": "ai2d/images/3456.png",
    "geoqa+/images/12.png": "geoqa+/images/12.png",
    "geoqa+/test-images/12.png": "geoqa+/test-images/12.png",
    "synthdog-en/images/7.jpg": "synthdog-en/images/7.jpg",
    "synthdog-en/test-images/7.jpg": "synthdog-en/test-images/7.jpg",
    "scienceqa/images/test/4/image.png": "4/image.png",
    "scienceqa/images/4/image.png": "4/image.png",
    "sam/images/sa_10039.jpg": "sa_10039.jpg",
    "wikiart/images/x.jpg": "x.jpg",
    "web-landmark/images/x.jpg": "x.jpg",
    "web-celebrity/images/x.jpg": "x.jpg",
    "llava/llava_pretrain/images/00453/004539375.jpg": "00453/004539375.jpg",
    "mathvista/images/660.jpg": "images/660.jpg",
    "images/660.jpg": "images/660.jpg",
    "mathverse/images_version_1-4/image_1.png": "images_version_1-4/image_1.png",
    "mathverse/images_version_6/image_1.png": "images_version_6/image_1.png",
    "mme/landmark/0a0b.jpg": "landmark/images/0a0b.jpg",
    "mme/OCR/0001.jpg": "OCR/images/0001.jpg",
    "seedbench/SEED-Bench-image/341486_825594355.jpg": "341486_825594355",
    "mm-vet/images/v1_0.png": "images/v1_0.png",
    "mmmu/test-images/validation_Geography_20.jpg": None,
    "llava-in-the-wild/images/001.jpg": None,
}  # fmt: skip
MEMBERS_OF_MANY = {"images", "train", "test", "val", "png", "documents"}  # folders that several sources have


@pytest.fixture(scope="module")
def table() -> ArchiveTable:
    assert FIRE.archive_table
    return load_table(FIRE.archive_table)


@pytest.mark.parametrize(("path", "member"), PATHS.items())
def test_every_prefix_of_fire_has_its_archives(path: str, member: str | None, table: ArchiveTable) -> None:
    places = table.places(path)
    if member is None:
        assert (places.archives, bool(places.by_hand)) == ((), True)
    else:
        assert places.members[0] == member
        assert places.archives


def test_every_rule_matches_a_prefix_of_fire(table: ArchiveTable) -> None:
    used = {next(rule for rule in table.rules if rule.path.fullmatch(path)) for path in PATHS}
    assert [rule.path.pattern for rule in table.rules if rule not in used] == []


def test_no_member_of_a_shared_archive_matches_another_source(table: ArchiveTable) -> None:
    """A bare images/12.png would match GeoQA+'s image if the archive lacks AI2D's."""
    users: dict[str, set[str]] = {}
    for path in PATHS:
        for url in table.places(path).archives:
            users.setdefault(url, set()).add(path.split("/")[0])
    for path in PATHS:
        places = table.places(path)
        if any(len(users[url]) > 1 and users[url] != {"mathvista", "images"} for url in places.archives):
            assert [m for m in places.members if "/" not in m or m.split("/")[0] in MEMBERS_OF_MANY] == []


def test_every_archive_is_used_and_has_a_valid_address() -> None:
    assert FIRE.archive_table
    document = yaml.safe_load(FIRE.archive_table.read_text())
    used = {name for rule in document["rules"] for name in rule.get("archives", [])}
    assert set(document["archives"]) == used
    urls = [entry["url"] for entry in document["archives"].values()]
    assert len(set(urls)) == len(urls)
    assert all(url.endswith(".zip") for url in urls)
    assert [url for url in urls if url.startswith("hf:") and not HubFile.parse(url)] == []


def test_a_path_without_a_matching_rule_has_no_archive(table: ArchiveTable) -> None:
    for path in ("unheard/of/1.jpg", "gqa/images/a/b.jpg", "coco/train2017/../x.jpg"):
        assert (table.places(path).archives, table.places(path).by_hand) == ((), NO_RULE)
