"""Pictures by data URI and by URL: the bytes, or one clear reason."""

import base64
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hard_pictures import data_uri, encoded, exif, noise
from range_server import RangeServer
from vlm_sft.images import content
from vlm_sft.images.content import decode_data_uri
from vlm_sft.images.decode import Unusable
from vlm_sft.images.image_folder import ImageFolder
from vlm_sft.images.remote.web import RetryPolicy
from vlm_sft.images.resolve import ImageRoots, NoImage

PICTURE = encoded(noise())


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        running.files["/1.png"] = PICTURE
        yield running


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageRoots]:
    monkeypatch.setattr(content, "RETRIES", RetryPolicy(tries=2, first_wait_s=0.01))
    finder = ImageRoots([], (), ImageFolder(tmp_path))
    yield finder
    finder.close()


@pytest.mark.parametrize(
    "uri",
    [
        data_uri(PICTURE),
        data_uri(PICTURE).upper()[:14] + data_uri(PICTURE)[14:],
        "data:;base64," + base64.b64encode(PICTURE).decode().rstrip("="),
        "data:image/png;name=a.png;base64,\n" + base64.encodebytes(PICTURE).decode(),
        "data:image/png;base64," + quote(base64.b64encode(PICTURE).decode(), safe=""),
        "data:image/png," + quote(PICTURE),
    ],
)
def test_every_form_of_a_data_uri_is_read(uri: str) -> None:
    assert decode_data_uri(uri) == PICTURE


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("data:image/png;base64", "no comma after the type"),
        ("data:image/png;base64,a*b", "Only base64 data is allowed"),
        (
            "data:image/png;base64,abcde",
            "Invalid base64-encoded string: number of data characters (5) cannot be 1 more",
        ),
        ("data:image/png;base64,\u00e9\ud800", ""),
    ],
)
def test_a_broken_data_uri_is_named_without_its_content(uri: str, problem: str, images: ImageRoots) -> None:
    found = images.find(uri)
    assert isinstance(found, NoImage)
    assert found.reason == "image_data_broken"
    assert f"({len(uri)} characters): {problem}" in found.detail
    assert len(found.detail) < 200


def test_a_data_uri_without_a_picture_is_judged_like_a_file(images: ImageRoots) -> None:
    uri = "data:image/png;base64,"
    assert images.find(uri) == NoImage("image_empty", f"{uri}... (22 characters): 0 bytes")


def test_hostile_data_uris_are_decoded_or_refused() -> None:
    generator = random.Random(6)
    for _ in range(2000):
        letters = list(data_uri(PICTURE[:200]))
        for _ in range(generator.randrange(1, 6)):
            letters[generator.randrange(5, len(letters))] = chr(generator.choice([0, 10, 37, 44, 61, 0xD800, 0x1F600]))
        try:
            decode_data_uri("".join(letters))
        except Unusable as problem:
            reasons = {problem.reason}
    assert reasons == {"image_data_broken"}


def test_a_url_is_fetched_once_and_never_again(server: RangeServer, images: ImageRoots, tmp_path: Path) -> None:
    url = f"{server.root}/1.png"
    images.prefetch([url, url])
    found = images.find(url)
    assert isinstance(found, str)
    assert Path(found).read_bytes() == PICTURE
    images.close()
    server.files.clear()
    again = ImageRoots([], (), ImageFolder(tmp_path))
    assert (again.find(url), again.take_counts()) == (found, {"downloaded": 1})
    assert server.count("/1.png") == 1


def test_a_rotated_picture_of_a_url_is_turned(server: RangeServer, images: ImageRoots, tmp_path: Path) -> None:
    server.files["/2.jpg"] = encoded(noise((9, 5)), "JPEG", exif=exif(6))
    found = images.find(f"{server.root}/2.jpg")
    assert str(found).endswith(".png")
    assert images.take_counts() == {"downloaded": 1, "rotated": 1}
    images.close()
    again = ImageRoots([], (), ImageFolder(tmp_path))
    assert (again.find(f"{server.root}/2.jpg"), again.take_counts()) == (found, {"downloaded": 1, "rotated": 1})


def test_a_remembered_url_works_offline_and_a_new_one_shows_the_way_out(
    server: RangeServer, images: ImageRoots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, new = f"{server.root}/1.png", f"{server.root}/2.png"
    found = images.find(known)
    images.close()
    monkeypatch.setattr(content, "is_offline", lambda: True)
    again = ImageRoots([], (), ImageFolder(tmp_path))
    assert again.find(known) == found
    way_out = "HF_HUB_OFFLINE is set; prepare once without it, or use --skip-images"
    assert again.find(new) == NoImage("image_offline", f"{new}: {way_out}")
    assert server.count("/2.png") == 0


def test_what_a_server_refuses_is_named(server: RangeServer, images: ImageRoots) -> None:
    url = f"{server.root}/no.png"
    assert images.find(url) == NoImage("image_not_fetched", f"{url}: HTTP 404: no such file")
    server.files["/page"] = b"<html>"
    assert images.find(f"{server.root}/page") == NoImage(
        "image_unknown_format", f"{server.root}/page: not an image of a known format"
    )


def test_a_busy_server_is_asked_again(server: RangeServer, images: ImageRoots) -> None:
    server.trouble["/1.png"].statuses = [503]
    assert isinstance(images.find(f"{server.root}/1.png"), str)
    assert server.count("/1.png") == 2


def test_a_connection_that_ends_halfway_is_tried_again(server: RangeServer, images: ImageRoots) -> None:
    server.trouble["/1.png"].cuts = 1
    assert isinstance(images.find(f"{server.root}/1.png"), str)


def test_a_file_over_the_limit_is_not_fetched(
    server: RangeServer, images: ImageRoots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_BYTES", 1 << 20)
    server.files["/big"] = bytes((1 << 20) + 1)
    assert images.find(f"{server.root}/big") == NoImage("image_not_fetched", f"{server.root}/big: larger than 1 MiB")


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "https://\ud800/", "http://127.0.0.1:99999/x", "http://a b/"]
)
def test_an_address_that_is_none_is_not_fetched(url: str, images: ImageRoots) -> None:
    found = images.find(url)
    assert isinstance(found, NoImage)
    assert found.reason == "image_not_fetched"


def test_a_url_without_a_picture_is_fetched_once_and_never_again(
    server: RangeServer, images: ImageRoots, tmp_path: Path
) -> None:
    url = f"{server.root}/page"
    server.files["/page"] = b"<html>"
    found = images.find(url)
    assert found == NoImage("image_unknown_format", f"{url}: not an image of a known format")
    images.close()
    assert ImageRoots([], (), ImageFolder(tmp_path)).find(url) == found
    assert server.count("/page") == 1
