r"""Whether two mathematical expressions are equal, by math-verify in worker processes.

math-verify stops itself with SIGALRM, which works in a main thread only and cannot interrupt a long computation in C.
So each pair is compared in a process that the parent ends when it does not answer. A timeout is not a wrong answer.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Literal

from vlm_sft.errors import ConfigError

Verdict = Literal["equal", "unequal", "timeout", "no_gold"]
LIMIT_S = 2  # of math-verify itself, for parsing and for comparing
GUARD_S = 3 * LIMIT_S + 4  # of the parent: two parses, one comparison, and room
START_S = 120  # imports of sympy on a slow disk


def wrapped(expression: str) -> str:
    r"""Return an expression as math-verify reads it safely: a bare `4 \sqrt { 3 }` would be read as 3."""
    return expression if "\\boxed" in expression else rf"\boxed{{{expression}}}"


def compare(
    pairs: Sequence[tuple[str, str]], workers: int, names: Sequence[str] = (), limit_s: int = LIMIT_S
) -> list[Verdict]:
    """Return the verdict of each pair of (gold, answer).

    Raises:
        ConfigError: math-verify cannot read a gold answer; `names` has the ids of the pairs.
    """
    verdicts: list[Verdict] = ["unequal"] * len(pairs)
    left = iter(enumerate(pairs))
    with _pool(max(1, min(workers, len(pairs)))) as pool:
        busy: dict[int, int] = {}
        for place in range(len(pool)):
            _give(pool, place, left, busy, limit_s)
        while busy:
            ready = wait([pool[place].connection for place in busy], GUARD_S if limit_s == LIMIT_S else 3 * limit_s + 2)
            for place in list(busy):
                if pool[place].connection in ready:
                    verdicts[busy.pop(place)] = pool[place].receive()
                    _give(pool, place, left, busy, limit_s)
            if not ready:  # no worker has answered for longer than one pair may take
                for place in list(busy):
                    verdicts[busy.pop(place)] = "timeout"
                    pool[place].end()
                    pool[place] = _Worker()
                    _give(pool, place, left, busy, limit_s)
    unread = [number for number, verdict in enumerate(verdicts) if verdict == "no_gold"]
    if unread:
        first = unread[0]
        where = names[first] if names else f"pair {first + 1}"
        need = "need an expression that math-verify can read; correct the row, or leave it out"
        raise ConfigError(f"{where}: reference: got {pairs[first][0][:80]!r}, {need} ({len(unread)} such rows)")
    return verdicts


def _give(pool: "list[_Worker]", place: int, left: Iterator[tuple[int, tuple[str, str]]], busy: dict[int, int],
          limit_s: int) -> None:  # fmt: skip
    following = next(left, None)
    if following is not None:
        busy[place] = following[0]
        pool[place].connection.send((*following[1], limit_s))


class _Worker:
    """A process that compares one pair at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        if not self.connection.poll(START_S):
            self.end()
            raise TimeoutError(f"math-verify was not imported within {START_S} s")
        self.connection.recv()

    def receive(self) -> Verdict:
        try:
            verdict: Verdict = self.connection.recv()
        except EOFError:  # it crashed, out of memory for instance
            self.end()
            self.__init__()  # type: ignore[misc]
            return "timeout"
        return verdict

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


@contextmanager
def _pool(size: int) -> Iterator[list[_Worker]]:
    workers = [_Worker() for _ in range(size)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


def _work(connection: Connection) -> None:
    """Compare pairs until the parent closes the connection."""
    import logging

    from math_verify import parse, verify
    from math_verify.errors import TimeoutException

    logging.disable(logging.CRITICAL)
    connection.send("ready")
    while True:
        try:
            gold, answer, limit_s = connection.recv()
        except EOFError:
            return
        verdict: Verdict
        try:
            known = parse(wrapped(gold), parsing_timeout=limit_s, raise_on_error=True)
        except (Exception, TimeoutException):  # math-verify raises anything; a gold that it cannot read is refused
            known = []
        try:
            if not known:
                verdict = "no_gold"
            else:
                given = parse(wrapped(answer), parsing_timeout=limit_s, raise_on_error=True)
                same = verify(known, given, timeout_seconds=limit_s, raise_on_error=True)
                verdict = "equal" if same else "unequal"
        except TimeoutException:
            verdict = "timeout"
        except Exception:  # an answer that sympy cannot work with is not equal to anything
            verdict = "unequal"
        connection.send(verdict)
