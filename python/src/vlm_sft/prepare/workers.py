"""Convert parts in several processes; the results come in the order of the parts."""

import ctypes
import math
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from vlm_sft.errors import UserError

MAIN_MIB, WORKER_MIB, WORKER_WITH_IMAGES_MIB = 48, 48, 400  # a picture of 89 megapixels takes 357 MiB
PR_SET_PDEATHSIG = 1
CGROUP = Path("/sys/fs/cgroup")

Item = TypeVar("Item")
Result = TypeVar("Result")
_work: Callable[..., Any]  # inherited by the forked processes, so that nothing has to be pickled


def cores() -> int:
    """Return the number of cores that this process may use: of its CPU set, and of its cgroup's quota, as in a pod."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return max(1, min(usable, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return usable


def workers_for(wanted: int, max_memory_mib: int, *, with_images: bool) -> int:
    """Return how many processes convert: `wanted` (0: one for each core), as far as the memory allows (0: no limit)."""
    count = wanted or cores()
    if max_memory_mib:
        each = WORKER_WITH_IMAGES_MIB if with_images else WORKER_MIB
        count = min(count, (max_memory_mib - MAIN_MIB) // each)
    return max(1, count)


def in_order(
    work: Callable[[Item], Result], items: Iterator[Item], workers: int, way_out: str = "give fewer --workers"
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with `work(item)`, in order. With one worker everything runs in this process.

    An exception of `work` is raised when its item's turn comes. At most two items for each worker are ahead.

    Raises:
        UserError: a process was killed; `way_out` tells how to use less memory.
    """
    if workers == 1:
        for item in items:
            yield item, work(item)
        return
    global _work
    _work = work
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _start, (os.getpid(),))
    ahead: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in islice(items, 2 * workers):
            ahead.append((item, pool.submit(_run, item)))
        while ahead:
            item, future = ahead.popleft()
            result = future.result()
            for following in islice(items, 1):
                ahead.append((following, pool.submit(_run, following)))
            yield item, result
    except BrokenProcessPool:
        raise UserError(f"a process was killed, most likely for memory; {way_out}") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(parent: int) -> None:
    """End with the parent, and leave Ctrl-C to it."""
    if hasattr(ctypes.CDLL(None), "prctl"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before this line
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(item: object) -> Any:  # noqa: ANN401  whatever the work returns
    return _work(item)
