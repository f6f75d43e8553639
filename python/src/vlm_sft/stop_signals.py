"""Count SIGTERM and SIGINT instead of raising exceptions, so that a signal is safe at any moment."""

import signal
from types import FrameType, TracebackType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


def hold_signals() -> None:
    """Block the signals until a `StopSignals` is entered, which then counts them.

    The kernel drops a signal that a container's first process does not handle, but keeps a blocked one.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)


class StopSignals:
    """Counts SIGTERM and SIGINT between entering and leaving; leaving restores the former handlers."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "StopSignals":
        """Start counting."""
        self._previous = {number: signal.signal(number, self._add) for number in NUMBERS}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Restore the handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _add(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
