"""The nodes of a run as one group: they start together from one checkpoint, and all end when one of them ends.

torchrun's static rendezvous guarantees none of that:
- a new pod joins the store of an attempt that is just ending,
- nodes that read a shared claim through caches may resume from different checkpoints,
- ranks under NCCL wait up to `ddp_timeout` for a lost peer.

So the supervisors connect first. Node 0 listens on MASTER_PORT until every other node has completed the handshake,
sends all of them the attempt's id and its checkpoint, and leaves the port to torchrun. The connections stay open: a
connection that closes means that its node has ended.
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

from vlm_sft.launch.supervisor import Peer
from vlm_sft.train.nodes.place import Place

WAITING = {"vlm-sft": "waiting"}  # node 0's part of the handshake; torchrun's store, later on this port, never sends it
STOPPED = b"s"  # sent before closing by a node that was requested to stop
ANSWER_S = 10.0  # for one line from a supervisor that is running
PAUSE_S = 1.0  # between two tries, each with a new name lookup
# A peer whose machine is lost sends nothing any more; it counts as ended after 30 + 6 x 15 s.
KEEPALIVE = ((socket.SO_KEEPALIVE, 1), (socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 6))

Wait = Callable[[str, float], None]  # (what is missing, seconds): sleeps, or raises when waiting is over


@dataclass(frozen=True)
class Attempt:
    """What node 0 decided for all nodes: torchrun's run id, and the checkpoint to resume from."""

    id: str
    resume_from: Path | None


class NodeGroup:
    """Open connections to the other nodes: node 0 has one to each, the others have one to node 0."""

    def __init__(self, connections: dict[int, socket.socket]) -> None:
        self._connections = connections
        self._ended: Peer | None = None

    def __enter__(self) -> "NodeGroup":
        """Return the group, whose connections are open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connections without a message: the others report this node as lost."""
        self.leave(stopped=False)

    def ended(self) -> Peer | None:
        """Return the first node that has ended, or None while all are connected."""
        for rank, connection in self._connections.items():
            if self._ended is None and select.select([connection], [], [], 0)[0]:
                self._ended = Peer(rank, stopped=_receive(connection) == STOPPED)
        return self._ended

    def kept(self) -> "NodeGroup":
        """Move the connections to a new group, so that leaving this one closes none."""
        group, self._connections = NodeGroup(self._connections), {}
        return group

    def leave(self, *, stopped: bool) -> None:
        """Close the connections and report whether this node was requested to stop."""
        for connection in self._connections.values():
            if stopped:
                with contextlib.suppress(OSError):
                    connection.sendall(STOPPED)
            connection.close()
        self._connections = {}


def wait_for_all_nodes(place: Place, run: str, resume_from: Path | None, wait: Wait) -> tuple[NodeGroup, Attempt]:
    """Wait until all nodes of this attempt are connected; return the connections and what node 0 decided.

    Args:
        place: rank and address of this node.
        run: the run directory; nodes of another run are refused.
        resume_from: node 0's choice; the other nodes' choice is ignored.
        wait: called with what is missing; raises when waiting is over.
    """
    if place.nodes == 1:
        return NodeGroup({}), Attempt("", resume_from)
    _resolve(place, wait)
    return _lead(place, run, resume_from, wait) if place.rank == 0 else _follow(place, run, wait)


def _resolve(place: Place, wait: Wait) -> None:
    """Wait until the name of node 0 can be resolved: a pod's name appears some time after the pod."""
    while True:
        try:
            socket.getaddrinfo(place.master, place.port, type=socket.SOCK_STREAM)
        except OSError as error:
            wait(f"MASTER_ADDR: looked up {place.master}: {error.strerror}", PAUSE_S)
        else:
            return


def _lead(place: Place, run: str, resume_from: Path | None, wait: Wait) -> tuple[NodeGroup, Attempt]:
    joined: dict[int, socket.socket] = {}
    with NodeGroup(joined) as early, _server(place.port) as server:  # closes all connections when the wait fails
        while True:
            for left in [rank for rank, connection in joined.items() if select.select([connection], [], [], 0)[0]]:
                joined.pop(left).close()  # it ended while it waited for the others
            missing = ", ".join(str(rank) for rank in range(1, place.nodes) if rank not in joined)
            if not missing:
                break
            wait(f"MASTER_PORT: node 0 waits for all nodes on {place.port}; not connected yet: {missing}", 0)
            if not select.select([server], [], [], PAUSE_S)[0]:
                continue
            connection, _ = server.accept()
            rank = _handshake(connection, place, run)
            if rank is None:
                connection.close()
                continue
            if rank in joined:
                joined[rank].close()  # the pod that this one replaces
            joined[rank] = connection
        group = early.kept()
    attempt = Attempt(uuid.uuid4().hex, resume_from)
    for connection in joined.values():
        with contextlib.suppress(OSError):  # it has ended already; `NodeGroup.ended` reports it
            _send(connection, {"id": attempt.id, "resume_from": str(resume_from or "")})
    return group, attempt


def _handshake(connection: socket.socket, place: Place, run: str) -> int | None:
    """Return the rank of the node of this run at the other end, or None when it is none of them."""
    _keep_alive(connection)
    connection.settimeout(ANSWER_S)
    got = _line(connection)
    if not got or got.get("run") != run or got.get("nodes") != place.nodes:
        return None
    rank = got.get("rank")
    if not isinstance(rank, int) or not 0 < rank < place.nodes:
        return None
    try:
        _send(connection, WAITING)
    except OSError:
        return None
    return rank


def _follow(place: Place, run: str, wait: Wait) -> tuple[NodeGroup, Attempt]:
    where = f"{place.master}:{place.port}"
    while True:
        try:
            connection = socket.create_connection((place.master, place.port), timeout=ANSWER_S)
        except OSError as error:
            wait(f"MASTER_ADDR: {where}: {error.strerror or error}", PAUSE_S)
            continue
        with NodeGroup({0: connection}) as early:  # closes it, unless node 0 of this run answers
            attempt = _join(connection, {"run": run, "nodes": place.nodes, "rank": place.rank}, where, wait)
            if attempt is not None:
                return early.kept(), attempt
        wait(f"MASTER_ADDR: {where} is not waiting for nodes of {run}; an earlier attempt may still be ending", PAUSE_S)


def _join(connection: socket.socket, this_node: Mapping[str, object], where: str, wait: Wait) -> Attempt | None:
    """Complete the handshake and wait for the start; None when the other end is not node 0 of this run, or ends."""
    _keep_alive(connection)
    try:
        _send(connection, this_node)
        if _line(connection) != WAITING:
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
        with contextlib.suppress(OSError):  # IPv6 is compiled in but switched off
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
    """Return one line that is a JSON object, or None: the other end sends something else, or nothing."""
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
