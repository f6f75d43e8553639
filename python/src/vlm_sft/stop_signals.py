"""SIGTERM and SIGINT as a count that is looked at: nothing is raised, so there is no bad moment for one to arrive."""

import signal
from types import FrameType, TracebackType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


def hold_signals() -> None:
    """Let the kernel keep signals until a `StopSignals` is entered, which counts them then.

    It drops a signal that a container's first process does not handle, but not one that is blocked.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)


class StopSignals:
    """Counts SIGTERM and SIGINT from entering to leaving; the handlers that were there before come back then."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "StopSignals":
        """Start to count."""
        self._previous = {number: signal.signal(number, self._add) for number in NUMBERS}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Put the handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _add(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
