"""The nodes of a run connect to each other: several supervisors on this machine, one thread each."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from vlm_sft.errors import UserError
from vlm_sft.launch.supervisor import Peer
from vlm_sft.runs.report import FILE
from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.nodes.node_group import Attempt, NodeGroup, wait_for_all_nodes
from vlm_sft.train.nodes.place import Place
from vlm_sft.train.nodes.waiting import StoppedWaitingError, waiting

Joined = Future[tuple[NodeGroup, Attempt]]
RUN = "/outputs/fire/0123abcd"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def node(port: int) -> Iterator[Callable[..., Joined]]:
    """Return a function (rank, nodes=2, resume_from=None, run=RUN, limit_s=20) that waits for all nodes in a thread."""
    pool = ThreadPoolExecutor(8)
    started: list[Joined] = []

    def start(
        rank: int, nodes: int = 2, resume_from: Path | None = None, run: str = RUN, limit_s: float = 20
    ) -> Joined:
        wait = waiting(Path("/none"), limit_s, StopSignals(), print)
        started.append(pool.submit(wait_for_all_nodes, Place(nodes, rank, "localhost", port), run, resume_from, wait))
        return started[-1]

    yield start
    for joined in started:
        if joined.exception() is None:
            joined.result()[0].leave(stopped=False)


def test_all_nodes_get_the_attempt_and_the_checkpoint_of_node_0(node: Callable[..., Joined]) -> None:
    others = [node(rank, 3, Path("/ignored")) for rank in (1, 2)]  # they may start first
    time.sleep(1.2)
    group, attempt = node(0, 3, Path("/outputs/checkpoint-20")).result()
    assert attempt.resume_from == Path("/outputs/checkpoint-20")
    assert len(attempt.id) == 32
    for other in others:
        assert other.result()[1] == attempt
        assert other.result()[0].ended() is None
    assert group.ended() is None
    others[1].result()[0].leave(stopped=True)
    assert group.ended() == Peer(2, stopped=True)
    assert group.ended() == Peer(2, stopped=True)  # the first to end is remembered
    group.leave(stopped=False)
    assert others[0].result()[0].ended() == Peer(0, stopped=False)


def test_another_run_on_the_same_port_is_refused_and_a_replaced_pod_counts_once(
    node: Callable[..., Joined], port: int
) -> None:
    first = node(0, 3)
    stranger = node(1, 3, run="/outputs/another", limit_s=2)
    time.sleep(0.5)
    with socket.create_connection(("localhost", port)) as gone:  # node 1's first pod, which ends while it waits
        gone.sendall(b'{"run": "%s", "nodes": 3, "rank": 1}\n' % RUN.encode())
        assert gone.recv(100) == b'{"vlm-sft": "waiting"}\n'
    nodes = [node(rank, 3) for rank in (1, 2)]
    group, attempt = first.result()
    assert [joined.result()[1] for joined in nodes] == [attempt, attempt]
    assert group.ended() is None
    with pytest.raises(UserError):
        stranger.result()


def test_a_new_pod_does_not_join_the_store_of_an_attempt_that_is_ending(
    node: Callable[..., Joined], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlm_sft.train.nodes.node_group.ANSWER_S", 0.5)
    with socket.create_server(("", port)):  # torchrun's store accepts any connection and sends nothing (torch 2.15)
        late = node(1)
        time.sleep(1.2)
        assert not late.done()
    group, attempt = node(0).result()
    assert late.result()[1] == attempt
    group.leave(stopped=False)


def test_the_failed_wait_names_what_is_missing_for_how_long_and_where_to_look(port: int) -> None:
    way_out = "look at the other pods of this Job (kubectl get pods): pending, or failed? and at its headless Service"

    def failure(place: Place) -> str:
        with pytest.raises(UserError) as caught:
            wait_for_all_nodes(place, RUN, None, waiting(Path("/none"), 0.5, StopSignals(), print))
        assert caught.value.exit_code == 1  # the pod is retried
        return caught.value.message

    assert failure(Place(2, 1, "job-0.invalid", port)).startswith("MASTER_ADDR: looked up job-0.invalid: ")
    assert failure(Place(2, 1, "localhost", port)) == (
        f"MASTER_ADDR: localhost:{port}: Connection refused (for 0 s); {way_out}"
    )
    assert failure(Place(4, 0, "localhost", port)) == (
        f"MASTER_PORT: node 0 waits for all nodes on {port}; not connected yet: 1, 2, 3 (for 0 s); {way_out}"
    )


def test_a_stop_request_or_a_run_finished_by_another_node_ends_the_wait(tmp_path: Path, port: int) -> None:
    place = Place(2, 1, "localhost", port)
    signals = StopSignals()
    threading.Timer(0.3, lambda: setattr(signals, "count", 1)).start()
    with pytest.raises(StoppedWaitingError):
        wait_for_all_nodes(place, RUN, None, waiting(tmp_path, 60, signals, print))
    report = '{"status": "finished"}'
    threading.Timer(0.3, lambda: (tmp_path / FILE).write_text(report)).start()
    with pytest.raises(StoppedWaitingError):
        wait_for_all_nodes(place, RUN, None, waiting(tmp_path, 60, StopSignals(), print))
