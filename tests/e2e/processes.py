"""The processes of the test cluster: started in a network namespace, watched, stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from network import inside


class Processes:
    """Running processes, each with a log file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, namespace: str, command: list[str]) -> None:
        """Start a process; its output goes to NAME.log."""
        env = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                inside(namespace, command), stdout=log, stderr=log, env=env, start_new_session=True
            )
        self.running.append((name, process))

    def wait(self, what: str, timeout_s: float, ready: Callable[[], bool]) -> None:
        """Wait until `ready` returns true; a RuntimeError counts as not ready.

        Raises:
            SystemExit: a process ended or the time is over; with the last lines of all logs.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for name, process in self.running:
                if process.poll() is not None:
                    sys.exit(f"error: {name} ended with exit code {process.returncode}\n{self._logs()}")
            with suppress(RuntimeError):
                if ready():
                    return
            time.sleep(1)
        sys.exit(f"error: not within {timeout_s:.0f} s: {what}\n{self._logs()}")

    def stop(self, before: Callable[[str], None]) -> None:
        """Stop all processes, the last one first; call `before` with the name of each."""
        for name, process in reversed(self.running):
            before(name)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    def _logs(self) -> str:
        texts = {path.name: path.read_text(errors="replace").splitlines()[-8:] for path in self.folder.glob("*.log")}
        return "\n".join(f"== {name}\n" + "\n".join(lines) for name, lines in texts.items())
