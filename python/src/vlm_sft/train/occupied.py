"""One trainer per run directory: a new pod waits while the pod that it replaces still saves.

Helm creates a changed Job before it deletes the old one, whose pods have minutes to save. The running trainer rewrites
RUN_DIR/trainer every few seconds; a file that stays as it is belongs to a trainer that was killed.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "trainer"
BEAT_S = 2.0
DEAD_AFTER_S = 10.0
POLL_S = 1.0


def wait_until_free(run_dir: Path, wait: Callable[[str, float], None]) -> None:
    """Return when no other trainer writes into the run directory.

    Args:
        run_dir: may be missing.
        wait: called with what is waited for and the pause in seconds; it may raise.
    """
    seen, unchanged_s = _read(run_dir), 0.0
    while seen is not None and unchanged_s < DEAD_AFTER_S:
        wait("another trainer still saves into this run directory", POLL_S)
        now = _read(run_dir)
        unchanged_s = unchanged_s + POLL_S if now == seen else 0.0
        seen = now


@contextmanager
def occupied(run_dir: Path) -> Iterator[None]:
    """Show other pods that a trainer writes into an existing run directory."""
    me, path, done = uuid.uuid4().hex, run_dir / FILE, threading.Event()

    def beat() -> None:
        count = 0
        while True:
            with suppress(OSError):  # a full volume is the trainer's to report
                path.write_text(f"{me} {count}")
            count += 1
            if done.wait(BEAT_S):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        path.unlink(missing_ok=True)


def _read(run_dir: Path) -> str | None:
    try:
        return (run_dir / FILE).read_text()
    except OSError:
        return None
