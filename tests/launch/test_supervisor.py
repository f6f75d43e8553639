"""The container's first process, with small stand-ins for ms-swift as its children."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from vlm_sft.launch.supervisor import Ended, supervise
from vlm_sft.stop_signals import StopSignals
from vlm_sft.train.launch import Launch
from vlm_sft.train.nodes.node_group import Gang

WAITS_FOR_STOP_FILE = """
import os, sys, time
open(sys.argv[2], "w").close()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
"""
IGNORES_EVERYTHING = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
open(sys.argv[2], "w").close()
time.sleep(600)
"""


def run(script: str, tmp_path: Path, grace_s: float, signals: int) -> tuple[Ended, list[str]]:
    """Supervise a script and send this process SIGTERM `signals` times once the script has begun."""
    stop, begun = tmp_path / "stop", tmp_path / "begun"
    said: list[str] = []

    def terminate() -> None:
        while not begun.exists():
            time.sleep(0.02)
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)

    thread = threading.Thread(target=terminate)
    thread.start()
    launch = Launch([sys.executable, "-c", script, str(stop), str(begun)], dict(os.environ))
    with StopSignals() as counted:
        ended = supervise(launch, tmp_path, grace_s, said.append, counted, Gang({}))
        thread.join()
    return ended, said


def test_sigterm_becomes_a_stop_file_and_the_trainer_ends_by_itself(tmp_path: Path) -> None:
    ended, said = run(WAITS_FOR_STOP_FILE, tmp_path, grace_s=30, signals=1)
    assert ended == Ended(0, stop_requested=True)
    assert said == ["stop requested: saving after this optimizer step, 30 s left for it"]


def test_a_trainer_that_does_not_stop_in_time_is_ended(tmp_path: Path) -> None:
    ended, said = run(IGNORES_EVERYTHING, tmp_path, grace_s=0.2, signals=1)
    assert ended == Ended(9, stop_requested=True)
    assert said[1] == "not saved within 0 s: ending the trainer; the run continues from its last checkpoint"


def test_a_second_signal_ends_the_trainer_at_once(tmp_path: Path) -> None:
    ended, said = run(IGNORES_EVERYTHING, tmp_path, grace_s=600, signals=2)
    assert ended == Ended(9, stop_requested=True)
    assert said[1] == "second signal: ending the trainer; the run continues from its last checkpoint"


def alone(command: list[str], folder: Path) -> Ended:
    return supervise(Launch(command, dict(os.environ)), folder, 1, print, StopSignals(), Gang({}))


def test_the_exit_code_of_a_trainer_that_fails_is_kept(tmp_path: Path) -> None:
    assert alone([sys.executable, "-c", "raise SystemExit(3)"], tmp_path) == Ended(3, stop_requested=False)


def test_signal_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert signals.count == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_trainer_is_in_a_session_of_its_own(tmp_path: Path) -> None:
    script = f"import os; open({str(tmp_path / 'sid')!r}, 'w').write(str(os.getsid(0)))"
    alone([sys.executable, "-c", script], tmp_path)
    assert int((tmp_path / "sid").read_text()) != os.getsid(0)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_trainer_is_ended_when_another_node_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    monkeypatch.setattr("vlm_sft.launch.supervisor.LOST_PEER_GRACE_S", 0.3)
    ours, theirs = socket.socketpair()
    Gang({0: theirs}).leave(stopped=stopped)
    said: list[str] = []
    launch = Launch([sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ))
    ended = supervise(launch, tmp_path, 600, said.append, StopSignals(), Gang({1: ours}))
    assert ended == Ended(-signal.SIGTERM, stop_requested=stopped)
    assert said == [f"node 1 {'was asked to stop' if stopped else 'is lost'}: this one ends as well"]
    ours.close()


def test_a_node_that_ends_after_the_training_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlm_sft.launch.supervisor.LOST_PEER_GRACE_S", 0.1)
    (tmp_path / "record.json").write_text("{}")
    ours, theirs = socket.socketpair()
    theirs.close()
    said: list[str] = []
    launch = Launch([sys.executable, "-c", "import time; time.sleep(1.5)"], dict(os.environ))
    ended = supervise(launch, tmp_path, 600, said.append, StopSignals(), Gang({1: ours}))
    assert (ended, said) == (Ended(0, stop_requested=False), [])
    ours.close()


def test_a_trainer_that_cannot_say_goodbye_to_a_lost_node_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlm_sft.launch.supervisor.LOST_PEER_GRACE_S", 0.1)
    monkeypatch.setattr("vlm_sft.launch.supervisor.CLOSING_S", 0.3)
    (tmp_path / "record.json").write_text("{}")
    ours, theirs = socket.socketpair()
    theirs.close()
    launch = Launch([sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ))
    ended = supervise(launch, tmp_path, 600, lambda _: None, StopSignals(), Gang({1: ours}))
    assert ended == Ended(-signal.SIGTERM, stop_requested=False)
    ours.close()
