"""SIGTERM and SIGINT as a count that is looked at: nothing is raised, so there is no bad moment for one to arrive."""

import signal
from types import FrameType, TracebackType


class StopSignals:
    """Counts SIGTERM and SIGINT from entering to leaving; the handlers that were there before come back then.

    It must be entered early: the kernel drops a signal that a container's first process does not handle.
    """

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "StopSignals":
        """Start to count."""
        self._previous = {number: signal.signal(number, self._add) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Put the handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _add(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
