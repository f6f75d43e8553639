"""A loopback HTTP server with range requests and configurable failures."""

import http.server
import re
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

RANGE = re.compile(r"bytes=(\d*)-(\d*)")  # -500 is the last 500 bytes


def byte_range(header: str, length: int) -> tuple[int, int] | None:
    """Return the first byte and the end of a requested range in a file of this length."""
    match = RANGE.fullmatch(header)
    if not match:
        return None
    first, last = match.groups()
    if not first:
        return max(0, length - int(last)), length
    return int(first), min(int(last or length - 1) + 1, length)


@dataclass
class Trouble:
    """The failures of one file's next responses; each number counts down."""

    statuses: list[int] = field(default_factory=list)  # sent instead of the file, in order
    headers: dict[str, str] = field(default_factory=dict)  # sent with them
    cuts: int = 0  # responses that end halfway
    short_by: int = 0  # missing bytes in the response to a range
    trickle_s: float = 0.0  # between two bytes
    no_ranges: bool = False  # the whole file is sent for every request
    redirect: str = ""  # address of the file
    corrupt_at: int = -1  # index of the byte that is sent wrong


class RangeServer:
    """Serves `files` (path -> bytes) and records the requests; waits `latency_s` before each response."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.files: dict[str, bytes] = {}
        self.trouble: dict[str, Trouble] = defaultdict(Trouble)
        self.requests: list[tuple[str, str, str | None]] = []  # path, range, Authorization
        self.latency_s = latency_s
        self._server = Loopback(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, path: str) -> int:
        """Return how often a file was requested."""
        return sum(requested == path for requested, _, _ in self.requests)


class Loopback(http.server.ThreadingHTTPServer):
    """The socket; a killed client is not an error."""

    daemon_threads = True
    owner: RangeServer

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave in one packet
    disable_nagle_algorithm = True
    server: Loopback

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append((self.path, self.headers.get("Range", ""), self.headers.get("Authorization")))
        time.sleep(owner.latency_s)
        trouble = owner.trouble[self.path]
        if trouble.redirect:
            self.answer(302, b"", {"Location": trouble.redirect})
        elif trouble.statuses:
            self.answer(trouble.statuses.pop(0), b"no", trouble.headers)
        elif self.path not in owner.files:
            self.answer(404, b"nothing here", {})
        else:
            self.send_file(owner.files[self.path], trouble)

    def send_file(self, content: bytes, trouble: Trouble) -> None:
        asked = byte_range(self.headers.get("Range", ""), len(content))
        if trouble.no_ranges or not asked:
            self.answer(200, content, {})
            return
        start, end = asked[0], asked[1] - trouble.short_by
        body = content[start:end]
        if start <= trouble.corrupt_at < end:
            at = trouble.corrupt_at - start
            body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        cut = len(body) > 1 and trouble.cuts > 0
        trouble.cuts -= cut
        where = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
        self.answer(206, body, where, sent=len(body) // 2 if cut else len(body), trickle_s=trouble.trickle_s)

    def answer(
        self, status: int, body: bytes, headers: dict[str, str], sent: int | None = None, trickle_s: float = 0.0
    ) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        for at in range(len(body) if trickle_s else 0):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            time.sleep(trickle_s)
        self.wfile.write(b"" if trickle_s else body[:sent])
        self.close_connection = sent is not None and sent < len(body)

    def log_message(self, *args: object) -> None:
        pass
