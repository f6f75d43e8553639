"""Range requests to servers that are busy, broken, slow, moved or missing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from range_server import RangeServer
from vlm_sft.images.remote.hub_url import HubFile
from vlm_sft.images.remote.web import RetryPolicy, Unavailable, Web

CONTENT = bytes(range(256)) * 8
QUICK = RetryPolicy(tries=4, first_wait_s=0.02, longest_wait_s=2.0, connect_s=2.0, timeout_s=2.0)


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        running.files["/f"] = CONTENT
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    client = Web(4, QUICK)
    yield client
    client.close()


def test_a_range_and_the_size_are_read(server: RangeServer, web: Web) -> None:
    url = f"{server.root}/f"
    assert web.size(url) == len(CONTENT)
    assert web.read(url, 100, 300) == CONTENT[100:300]
    assert web.read(url, len(CONTENT) - 5, len(CONTENT) + 500) == CONTENT[-5:]
    assert (web.requests, web.bytes_read) == (3, 206)


@pytest.mark.parametrize("statuses", [[429], [503, 429], [500, 502, 504]])
def test_a_request_to_a_busy_or_broken_server_is_repeated(statuses: list[int], server: RangeServer, web: Web) -> None:
    server.trouble["/f"].statuses = list(statuses)
    assert web.read(f"{server.root}/f", 0, 9) == CONTENT[:9]
    assert server.count("/f") == len(statuses) + 1


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {"RateLimit": '"resolvers";r=0;t=1'}])
def test_every_thread_waits_as_long_as_the_server_requests(
    headers: dict[str, str], server: RangeServer, web: Web
) -> None:
    server.trouble["/f"].statuses, server.trouble["/f"].headers = [429], headers
    server.files["/g"] = CONTENT
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(web.read, f"{server.root}/f", 0, 9)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        second = pool.submit(web.read, f"{server.root}/g", 0, 9)
        assert first.result() == second.result() == CONTENT[:9]
    assert time.monotonic() - started > 0.9


def test_an_interrupted_connection_is_reopened(server: RangeServer, web: Web) -> None:
    server.trouble["/f"].cuts = 2
    assert web.read(f"{server.root}/f", 0, 1000) == CONTENT[:1000]
    assert server.count("/f") == 3


def test_an_incomplete_range_is_requested_again_and_never_used(server: RangeServer, web: Web) -> None:
    server.trouble["/f"].short_by = 3
    with pytest.raises(Unavailable, match=r"^97 of 100 bytes received \(4 tries\)$"):
        web.read(f"{server.root}/f", 0, 100)


def test_a_too_slow_connection_is_closed(server: RangeServer) -> None:
    server.trouble["/f"].trickle_s = 0.1
    with closing(Web(1, RetryPolicy(tries=2, first_wait_s=0.01, timeout_s=0.3))) as web:
        started = time.monotonic()
        with pytest.raises(Unavailable, match=r"^\d of 100 bytes received \(2 tries\)$"):
            web.read(f"{server.root}/f", 0, 100)
    assert time.monotonic() - started < 3


def test_a_server_that_keeps_failing_is_reported_with_its_last_status(server: RangeServer, web: Web) -> None:
    server.trouble["/f"].statuses = [500] * 9
    with pytest.raises(Unavailable, match=r"^HTTP 500 \(4 tries\)$"):
        web.read(f"{server.root}/f", 0, 9)
    assert server.count("/f") == 4


def test_there_is_no_wait_after_the_last_try(server: RangeServer) -> None:
    server.trouble["/f"].statuses = [500]
    started = time.monotonic()
    with closing(Web(1, RetryPolicy(tries=1, first_wait_s=30.0))) as web, pytest.raises(Unavailable, match=r"1 tries"):
        web.read(f"{server.root}/f", 0, 9)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "HTTP 404: no such file"), (401, "HTTP 401: a token with access is needed"), (416, "HTTP 416")],
)
def test_a_refused_request_is_not_repeated(status: int, words: str, server: RangeServer, web: Web) -> None:
    server.trouble["/f"].statuses = [status]
    with pytest.raises(Unavailable, match=f"^{words}"):
        web.read(f"{server.root}/f", 0, 9)
    assert server.count("/f") == 1


def test_a_server_that_ignores_ranges_is_not_read_whole(server: RangeServer, web: Web) -> None:
    server.files["/f"] = b"x" * (64 << 20)
    server.trouble["/f"].no_ranges = True
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"^the server ignores ranges and sends the whole file$"):
        web.read(f"{server.root}/f", 0, 9)
    assert (web.bytes_read, server.count("/f")) == (0, 1)
    assert time.monotonic() - started < 2


def test_a_redirect_is_followed_once_and_remembered(server: RangeServer, web: Web) -> None:
    server.trouble["/moved"].redirect = f"{server.root}/f"
    for _ in range(3):
        assert web.read(f"{server.root}/moved", 0, 9) == CONTENT[:9]
    assert (server.count("/moved"), server.count("/f")) == (1, 3)


def test_an_expired_redirect_is_requested_again(server: RangeServer, web: Web) -> None:
    server.files["/signed-1"] = server.files["/signed-2"] = CONTENT
    server.trouble["/moved"].redirect = f"{server.root}/signed-1"
    web.read(f"{server.root}/moved", 0, 9)
    server.trouble["/signed-1"].statuses = [403] * 9
    server.trouble["/moved"].redirect = f"{server.root}/signed-2"
    assert web.read(f"{server.root}/moved", 5, 9) == CONTENT[5:9]
    assert (server.count("/signed-1"), server.count("/moved"), server.count("/signed-2")) == (2, 2, 1)


def test_an_unreachable_host_is_tried_only_once_for_all_its_files(web: Web) -> None:
    with RangeServer() as gone:
        root = gone.root
    with pytest.raises(Unavailable, match=r"^ConnectError: .* \(4 tries\)$"):
        web.read(f"{root}/f", 0, 9)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"^127\.0\.0\.1:\d+ cannot be reached: "):
        web.read(f"{root}/other", 0, 9)
    assert time.monotonic() - started < 0.02


def test_closing_ends_a_wait_at_once(server: RangeServer) -> None:
    web = Web(1, RetryPolicy(tries=9, first_wait_s=60.0))
    server.trouble["/f"].statuses = [500] * 9
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(web.read, f"{server.root}/f", 0, 9)
        while not server.requests:
            time.sleep(0.005)
        web.close()
        with pytest.raises(Unavailable):
            reading.result(timeout=5)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("hf://datasets/A/b/x/y.zip", HubFile("A/b", "x/y.zip", None, "dataset")),
        ("hf://A/llava1.5_data@v1/y z.zip", HubFile("A/llava1.5_data", "y z.zip", "v1", "model")),
        ("https://a.org/x.zip", None),
    ],
)
def test_an_address_of_the_hub_names_repository_revision_and_file(address: str, file: HubFile | None) -> None:
    assert HubFile.parse(address) == file


def in_a_separate_process(code: str, **env: str) -> str:
    """The hub's client reads its environment variables at import."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


READ = """
from vlm_sft.images.remote.web import Unavailable, Web
web = Web(1)
try:
    print(*(web.read("hf://datasets/A/b@r1/my file.zip", 0, end) for end in (4, 8)))
except Unavailable as error:
    print(error)
"""


def test_the_token_is_sent_to_the_hub_but_not_to_the_redirect_target(server: RangeServer) -> None:
    with RangeServer() as hub:
        path = "/datasets/A/b/resolve/r1/my%20file.zip"
        hub.trouble[path].redirect = f"{server.root}/f"
        output = in_a_separate_process(READ, HF_ENDPOINT=hub.root, HF_TOKEN="hf_of_this_test")
        assert output == f"{CONTENT[:4]!r} {CONTENT[:8]!r}"
        assert hub.requests == [(path, "bytes=0-3", "Bearer hf_of_this_test")]
    assert server.requests == [("/f", "bytes=0-3", None), ("/f", "bytes=0-7", None)]


def test_no_request_is_sent_to_the_hub_offline(server: RangeServer) -> None:
    assert in_a_separate_process(READ, HF_ENDPOINT=server.root, HF_HUB_OFFLINE="1") == "HF_HUB_OFFLINE is set"
    assert server.requests == []
