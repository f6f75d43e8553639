"""Bytes of a remote file, ranges or all, with retries, the server's own waiting times, and time limits."""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from vlm_sft import __version__
from vlm_sft.images.remote.hub_url import HubFile, is_offline

HEADERS = {"User-Agent": f"vlm-sft/{__version__}", "Accept-Encoding": "identity"}
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
WINDOW_LEFT = re.compile(r"\bt=(\d+)")  # RateLimit: "resolvers";r=0;t=55, as the hub sends it [s]
SLOWEST_BYTES_PER_S = 20_000  # a slower connection is closed, so that nothing hangs


Answer = TypeVar("Answer")


class Unavailable(Exception):  # noqa: N818  named after what the caller sees
    """The file cannot be read: missing, refused, no ranges, or all tries failed. The text is the reason."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try one request."""

    tries: int = 6
    first_wait_s: float = 1.0  # doubles: 1, 2, 4, 8, 16 s
    longest_wait_s: float = 300.0  # the hub counts requests in windows of 5 minutes
    connect_s: float = 10.0
    timeout_s: float = 30.0  # between two bytes


DEFAULT_POLICY = RetryPolicy()


class Web:
    """One HTTP client for all threads. Proxies and certificates come from the environment, as for every Python tool."""

    def __init__(self, connections: int, policy: RetryPolicy | None = None) -> None:
        self._policy = policy or DEFAULT_POLICY
        timeout = httpx.Timeout(self._policy.timeout_s, connect=self._policy.connect_s, pool=None)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.Client(headers=HEADERS, timeout=timeout, limits=limits, follow_redirects=True)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._not_before: dict[str, float] = defaultdict(float)  # host -> monotonic time
        # URL -> where it redirects to. The hub limits the rate of requests, its content network does not.
        self._targets: dict[str, str] = {}
        self._dead_hosts: dict[str, str] = {}  # host -> why no connection was possible, after all tries
        self.requests = 0
        self.bytes_read = 0

    def close(self) -> None:
        """End all waiting, and close every connection."""
        self._stop.set()
        self._client.close()

    def size(self, url: str) -> int:
        """Return the length of the file in bytes.

        Raises:
            Unavailable: see the class.
        """
        return self._tried(url, lambda target: self._request(url, target, 0, 1))[1]

    def read(self, url: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, but not including, `end`.

        Raises:
            Unavailable: see the class.
        """
        return self._tried(url, lambda target: self._request(url, target, start, end))[0]

    def whole(self, url: str, max_bytes: int) -> bytes:
        """Return a whole file of at most `max_bytes`, from any server.

        Raises:
            Unavailable: see the class; or the file is larger.
        """
        return self._tried(url, lambda target: self._request_whole(target, max_bytes))

    def _tried(self, url: str, request: Callable[[str], Answer]) -> Answer:
        problem = ""
        for number in range(self._policy.tries):
            target = self._target(url)
            host = urlsplit(target).netloc
            if self._stop.wait(max(0.0, self._not_before[host] - time.monotonic())):
                raise Unavailable("stopped")
            if why := self._dead_hosts.get(host):
                raise Unavailable(why)
            pause_s = self._policy.first_wait_s * 2**number
            try:
                return request(target)
            except _Busy as busy:
                problem = str(busy)
                self._pause_host(host, max(busy.wait_s, pause_s))
            except (_Again, httpx.TransportError) as error:
                problem = str(error) if isinstance(error, _Again) else f"{type(error).__name__}: {error}"
                if number + 1 < self._policy.tries:
                    self._stop.wait(pause_s)
                elif isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    self._dead_hosts[host] = f"{host} cannot be reached: {error}"
            except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
                raise Unavailable(str(error)) from None
        raise Unavailable(f"{problem} ({self._policy.tries} tries)")

    def _target(self, url: str) -> str:
        """Return the address to request: where an earlier request was redirected to, or the URL itself."""
        hub = HubFile.parse(url)
        if hub and is_offline():
            raise Unavailable("HF_HUB_OFFLINE is set")
        return self._targets.get(url) or (hub.url() if hub else url)

    def _pause_host(self, host: str, pause_s: float) -> None:
        """Make every thread wait before the next request to a busy host."""
        until = time.monotonic() + min(pause_s, self._policy.longest_wait_s)
        with self._lock:
            self._not_before[host] = max(self._not_before[host], until)

    def _request(self, url: str, target: str, start: int, end: int) -> tuple[bytes, int]:
        """Send one request; return its bytes and the length of the file."""
        hub = HubFile.parse(url)
        headers = {"Range": f"bytes={start}-{end - 1}"} | (hub.headers(target) if hub else {})
        with self._client.stream("GET", target, headers=headers) as response:
            with self._lock:
                self.requests += 1 + len(response.history)
            if response.status_code in (401, 403, 404, 410) and url in self._targets:
                self._targets.pop(url, "")  # a signed address expires after about an hour
                raise _Again(f"HTTP {response.status_code}")
            total = _length_of_file(response, start)
            if response.history:
                self._targets[url] = str(response.url)
            return self._body(response, min(end, total) - start), total

    def _request_whole(self, target: str, max_bytes: int) -> bytes:
        started, body = time.monotonic(), bytearray()
        with self._client.stream("GET", target) as response:
            with self._lock:
                self.requests += 1 + len(response.history)
            _raise_for_busy(response)
            if response.status_code != httpx.codes.OK:
                raise Unavailable(f"HTTP {response.status_code}{REASONS.get(response.status_code, '')}")
            for piece in response.iter_bytes():
                body += piece
                if len(body) > max_bytes:
                    raise Unavailable(f"larger than {max_bytes >> 20} MiB")
                if time.monotonic() > started + self._policy.timeout_s + len(body) / SLOWEST_BYTES_PER_S:
                    raise _Again(f"slower than {SLOWEST_BYTES_PER_S // 1000} kB/s")
        with self._lock:
            self.bytes_read += len(body)
        return bytes(body)

    def _body(self, response: httpx.Response, wanted: int) -> bytes:
        """Read at most the requested bytes, and stop if the connection is too slow."""
        deadline = time.monotonic() + self._policy.timeout_s + wanted / SLOWEST_BYTES_PER_S
        body = bytearray()
        for piece in response.iter_raw():
            body += piece
            if len(body) > wanted or time.monotonic() > deadline:
                break
        if len(body) != wanted:
            raise _Again(f"{len(body)} of {wanted} bytes received")
        with self._lock:
            self.bytes_read += wanted
        return bytes(body)


class _Again(Exception):  # noqa: N818  not an error of this program
    """Another try may succeed."""


class _Busy(Exception):  # noqa: N818  as above
    """The host is busy; it may have sent a waiting time."""

    def __init__(self, problem: str, wait_s: float) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


REASONS = {401: ": a token with access is needed", 403: ": no access", 404: ": no such file"}


def _raise_for_busy(response: httpx.Response) -> None:
    """Raise what asks for another try."""
    status = response.status_code
    if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        raise _Busy(f"HTTP {status}", _requested_wait_s(response))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise _Again(f"HTTP {status}")


def _length_of_file(response: httpx.Response, start: int) -> int:
    """Return the length of the whole file, after checking that the response is the requested range."""
    _raise_for_busy(response)
    status = response.status_code
    if status == httpx.codes.OK:
        raise Unavailable("the server ignores ranges and sends the whole file")
    span = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if status != httpx.codes.PARTIAL_CONTENT or not span or int(span[1]) != start:
        raise Unavailable(f"HTTP {status}{REASONS.get(status, '')}")
    return int(span[3])


def _requested_wait_s(response: httpx.Response) -> float:
    after: str = response.headers.get("Retry-After", "")
    left = WINDOW_LEFT.search(response.headers.get("RateLimit", ""))
    return float(after) if after.isdigit() else float(left[1]) if left else 0.0
