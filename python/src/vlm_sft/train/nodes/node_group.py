"""The nodes of a run as a gang: they start together from one checkpoint, and when one is gone the others end too.

torchrun's static rendezvous gives none of that: a new pod joins the store of an attempt that is just ending, nodes that
read a shared claim through caches may resume from different checkpoints, and ranks under NCCL wait for a lost peer up
to `ddp_timeout`. So the supervisors call the roll first. Node 0 listens on MASTER_PORT until every other node has said
hello, answers all of them with the attempt's id and its checkpoint, and leaves the port to torchrun. The connections
stay open: one that closes is a node that has ended.
"""

import contextlib
import json
import select
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from vlm_sft.train.nodes.place import Place

HERE = {"vlm-sft": "here"}  # node 0 is calling the roll; torchrun's store, on the same port later, would not say so
STOPPED = b"s"  # said before closing by a node that was asked to stop
ANSWER_S = 10.0  # for one line from a supervisor that is there
PAUSE_S = 1.0  # between two tries, so that a name is looked up anew each time
# A peer whose machine is gone sends nothing any more: it is given up after 30 + 6 x 15 s.
KEEPALIVE = ((socket.SO_KEEPALIVE, 1), (socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 6))

Wait = Callable[[str, float], None]  # (what is waited for, seconds): sleeps, or raises when waiting is over


@dataclass(frozen=True)
class Attempt:
    """What node 0 decided for all nodes: torchrun's run id, and the checkpoint to resume from."""

    id: str
    resume_from: Path | None


@dataclass(frozen=True)
class Peer:
    """A node that has ended, and whether it had been asked to."""

    rank: int
    stopped: bool


class Gang:
    """Open connections to the other nodes: node 0 has one to each, the others have one to node 0."""

    def __init__(self, connections: dict[int, socket.socket]) -> None:
        self._connections = connections
        self._ended: Peer | None = None

    def __enter__(self) -> "Gang":
        """Nothing to do: the roll has been called."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave without a word: to the others this node is lost."""
        self.leave(stopped=False)

    def ended(self) -> Peer | None:
        """Return the first node that has ended, or None while all are there."""
        for rank, connection in self._connections.items():
            if self._ended is None and select.select([connection], [], [], 0)[0]:
                self._ended = Peer(rank, stopped=_receive(connection) == STOPPED)
        return self._ended

    def kept(self) -> "Gang":
        """Return the connections in a gang of their own, so that leaving this one closes none."""
        gang, self._connections = Gang(self._connections), {}
        return gang

    def leave(self, *, stopped: bool) -> None:
        """Close the connections, telling the others whether this node was asked to stop."""
        for connection in self._connections.values():
            if stopped:
                with contextlib.suppress(OSError):
                    connection.sendall(STOPPED)
            connection.close()
        self._connections = {}


def call_roll(place: Place, run: str, resume_from: Path | None, wait: Wait) -> tuple[Gang, Attempt]:
    """Wait until all nodes of this attempt are there; return the connections and what node 0 decided.

    Args:
        place: which node this is.
        run: the run directory; nodes of another run are turned away.
        resume_from: node 0's choice; the other nodes' is not asked for.
        wait: called with what is waited for; raises when there is no more waiting.
    """
    if place.nodes == 1:
        return Gang({}), Attempt("", resume_from)
    _resolve(place, wait)
    return _lead(place, run, resume_from, wait) if place.rank == 0 else _follow(place, run, wait)


def _resolve(place: Place, wait: Wait) -> None:
    """Wait until the name of node 0 is known here: a pod's name appears some time after the pod."""
    while True:
        try:
            socket.getaddrinfo(place.master, place.port, type=socket.SOCK_STREAM)
        except OSError as error:
            wait(f"MASTER_ADDR: looked up {place.master}: {error.strerror}", PAUSE_S)
        else:
            return


def _lead(place: Place, run: str, resume_from: Path | None, wait: Wait) -> tuple[Gang, Attempt]:
    there: dict[int, socket.socket] = {}
    with Gang(there) as early, _server(place.port) as server:  # closes what is there when the wait is over too soon
        while True:
            for left in [rank for rank, connection in there.items() if select.select([connection], [], [], 0)[0]]:
                there.pop(left).close()  # it ended while it waited for the others
            missing = ", ".join(str(rank) for rank in range(1, place.nodes) if rank not in there)
            if not missing:
                break
            wait(f"MASTER_PORT: node 0 listens on {place.port}; nodes that have not said hello: {missing}", 0)
            if not select.select([server], [], [], PAUSE_S)[0]:
                continue
            connection, _ = server.accept()
            rank = _hello(connection, place, run)
            if rank is None:
                connection.close()
                continue
            if rank in there:
                there[rank].close()  # the pod that this one replaces
            there[rank] = connection
        gang = early.kept()
    attempt = Attempt(uuid.uuid4().hex, resume_from)
    for connection in there.values():
        with contextlib.suppress(OSError):  # it is gone already; `Gang.ended` will tell
            _send(connection, {"id": attempt.id, "resume_from": str(resume_from or "")})
    return gang, attempt


def _hello(connection: socket.socket, place: Place, run: str) -> int | None:
    """Return which node of this run is calling, or None when it is none."""
    _keep_alive(connection)
    connection.settimeout(ANSWER_S)
    said = _line(connection)
    if not said or said.get("run") != run or said.get("nodes") != place.nodes:
        return None
    rank = said.get("rank")
    if not isinstance(rank, int) or not 0 < rank < place.nodes:
        return None
    try:
        _send(connection, HERE)
    except OSError:
        return None
    return rank


def _follow(place: Place, run: str, wait: Wait) -> tuple[Gang, Attempt]:
    where = f"{place.master}:{place.port}"
    while True:
        try:
            connection = socket.create_connection((place.master, place.port), timeout=ANSWER_S)
        except OSError as error:
            wait(f"MASTER_ADDR: {where}: {error.strerror or error}", PAUSE_S)
            continue
        with Gang({0: connection}) as early:  # closes it, unless this is the roll that was looked for
            attempt = _answer(connection, {"run": run, "nodes": place.nodes, "rank": place.rank}, where, wait)
            if attempt is not None:
                return early.kept(), attempt
        wait(f"MASTER_ADDR: {where} is not calling the roll of {run}; an earlier attempt may still be ending", PAUSE_S)


def _answer(connection: socket.socket, hello: Mapping[str, object], where: str, wait: Wait) -> Attempt | None:
    """Say hello and wait for the start; None when the other end does not call this roll, or ends before it is full."""
    _keep_alive(connection)
    try:
        _send(connection, hello)
        if _line(connection) != HERE:
            return None
        while not select.select([connection], [], [], PAUSE_S)[0]:
            wait(f"MASTER_ADDR: {where} waits for the other nodes", 0)
    except OSError:
        return None
    start = _line(connection)
    if not start:
        return None
    return Attempt(str(start["id"]), Path(start["resume_from"]) if start["resume_from"] else None)


def _server(port: int) -> socket.socket:
    """Listen for IPv6 and IPv4 where the machine has both."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # IPv6 is compiled in and switched off
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _keep_alive(connection: socket.socket) -> None:
    (on, value), *times = KEEPALIVE
    connection.setsockopt(socket.SOL_SOCKET, on, value)
    for option, seconds in times:
        connection.setsockopt(socket.IPPROTO_TCP, option, seconds)


def _send(connection: socket.socket, message: Mapping[str, object]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket) -> bytes:
    """Return the next byte; empty at the end of the connection, however it ended."""
    try:
        return connection.recv(1)
    except OSError:
        return b""


def _line(connection: socket.socket) -> dict[str, Any] | None:
    """Return one line that is a JSON object, or None: the other end speaks something else, or nothing."""
    text = b""
    while not text.endswith(b"\n") and len(text) < 8192:
        byte = _receive(connection)
        if not byte:
            return None
        text += byte
    try:
        message = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
