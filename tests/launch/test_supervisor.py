"""The container's first process, with small scripts in place of ms-swift as its children."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from vlm_sft.launch.command import Launch
from vlm_sft.launch.supervisor import Ended, Peer, supervise
from vlm_sft.stop_signals import StopSignals

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
    """Supervise a script and send this process SIGTERM `signals` times once the script has started."""
    stop, begun = tmp_path / "stop", tmp_path / "begun"
    logged: list[str] = []

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
        ended = supervise(launch, tmp_path, grace_s, logged.append, counted)
        thread.join()
    return ended, logged


def test_sigterm_creates_the_stop_file_and_the_trainer_ends_by_itself(tmp_path: Path) -> None:
    ended, logged = run(WAITS_FOR_STOP_FILE, tmp_path, grace_s=30, signals=1)
    assert ended == Ended(0, stop_requested=True)
    assert logged == ["stop requested: saving after this optimizer step, within 30 s"]


def test_a_trainer_that_does_not_stop_in_time_is_ended(tmp_path: Path) -> None:
    ended, logged = run(IGNORES_EVERYTHING, tmp_path, grace_s=0.2, signals=1)
    assert ended == Ended(9, stop_requested=True)
    assert logged[1] == "not saved within 0 s: ending the trainer; the run resumes from its last checkpoint"


def test_a_second_signal_ends_the_trainer_at_once(tmp_path: Path) -> None:
    ended, logged = run(IGNORES_EVERYTHING, tmp_path, grace_s=600, signals=2)
    assert ended == Ended(9, stop_requested=True)
    assert logged[1] == "second signal: ending the trainer; the run resumes from its last checkpoint"


def alone(command: list[str], folder: Path) -> Ended:
    return supervise(Launch(command, dict(os.environ)), folder, 1, print, StopSignals())


def test_the_exit_code_of_a_trainer_that_fails_is_kept(tmp_path: Path) -> None:
    assert alone([sys.executable, "-c", "raise SystemExit(3)"], tmp_path) == Ended(3, stop_requested=False)


def test_signal_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert signals.count == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_trainer_runs_in_a_separate_session(tmp_path: Path) -> None:
    script = f"import os; open({str(tmp_path / 'sid')!r}, 'w').write(str(os.getsid(0)))"
    alone([sys.executable, "-c", script], tmp_path)
    assert int((tmp_path / "sid").read_text()) != os.getsid(0)


@pytest.mark.parametrize("stopped", [False, True])
def test_the_trainer_is_ended_when_another_node_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    monkeypatch.setattr("vlm_sft.launch.supervisor.LOST_PEER_GRACE_S", 0.3)
    logged: list[str] = []
    launch = Launch([sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ))
    ended = supervise(launch, tmp_path, 600, logged.append, StopSignals(), lambda: Peer(1, stopped))
    assert ended == Ended(-signal.SIGTERM, stop_requested=stopped)
    assert logged == [f"node 1 {'stops on request' if stopped else 'is lost'}: this node ends as well"]


def test_a_node_that_ends_after_the_training_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlm_sft.launch.supervisor.LOST_PEER_GRACE_S", 0.1)
    (tmp_path / "record.json").write_text("{}")
    logged: list[str] = []
    launch = Launch([sys.executable, "-c", "import time; time.sleep(1.5)"], dict(os.environ))
    ended = supervise(launch, tmp_path, 600, logged.append, StopSignals(), lambda: Peer(1, stopped=False))
    assert (ended, logged) == (Ended(0, stop_requested=False), [])


def test_a_trainer_that_waits_for_a_lost_node_after_the_training_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlm_sft.launch.supervisor.LOST_PEER_GRACE_S", 0.1)
    monkeypatch.setattr("vlm_sft.launch.supervisor.CLOSING_S", 0.3)
    (tmp_path / "record.json").write_text("{}")
    launch = Launch([sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ))
    ended = supervise(launch, tmp_path, 600, lambda _: None, StopSignals(), lambda: Peer(1, stopped=False))
    assert ended == Ended(-signal.SIGTERM, stop_requested=False)
