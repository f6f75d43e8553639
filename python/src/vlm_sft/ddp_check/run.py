"""The check on one node: starts one process per rank, waits with a time limit, and combines their results.

The ranks are started without torchrun, because its own rendezvous and restarts would hide the cause of a failure.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlm_sft.ddp_check.synthetic import Synthetic
from vlm_sft.errors import ConfigError, UserError

RANK = Path(__file__).parent / "rank.py"
PHASES = 4  # besides the epochs
START_S = 180  # [s] torch's import from a cold disk
FOLLOW_S = 5  # [s] for the other ranks to report after one has failed


@dataclass(frozen=True)
class Group:
    """The processes that must form one group; `processes` on each of `nodes` nodes."""

    processes: int
    nodes: int
    node_rank: int
    host: str
    port: int
    backend: str  # nccl on GPUs, gloo on CPUs

    @property
    def world_size(self) -> int:
        """Ranks on all nodes."""
        return self.processes * self.nodes


def group_from_environment(processes: int, backend: str) -> Group:
    """Return the group that NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT describe, as in training; default: one node.

    Raises:
        UserError: a variable is not a number, or MASTER_ADDR is missing for several nodes.
    """
    try:
        nodes, node_rank = int(os.environ.get("NNODES", "1")), int(os.environ.get("NODE_RANK", "0"))
        port = int(os.environ.get("MASTER_PORT", "29500"))
    except ValueError as error:
        raise UserError(f"NNODES, NODE_RANK, MASTER_PORT: {error}; each must be a whole number") from None
    if nodes == 1:
        return Group(processes, 1, 0, "127.0.0.1", _free_port(), backend)
    if "MASTER_ADDR" not in os.environ:
        raise UserError(f"MASTER_ADDR: not set, but NNODES is {nodes}; name the host of the first node")
    return Group(processes, nodes, node_rank, os.environ["MASTER_ADDR"], port, backend)


def check(group: Group, data: Synthetic, timeout_s: float, log: Callable[[str], None]) -> str | None:
    """Run this node's ranks to their end; return the table of findings on the first node, None on the others.

    Raises:
        ConfigError: the options make no training; one line each.
        UserError: a rank failed; its own line above names the phase and the likely cause.
    """
    if problems := data.problems(group.world_size):
        raise ConfigError("\n".join(problems))
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="vlm-sft-") as folder:
        result = Path(folder) / "result.json"
        try:
            for local in range(group.processes):
                command = [
                    sys.executable,
                    str(RANK),
                    str(result),
                    str(timeout_s),
                    group.backend,
                    json.dumps(asdict(data)),
                ]
                processes.append(subprocess.Popen(command, env=_environment(group, local)))
            _wait(processes, START_S + (PHASES + data.epochs) * timeout_s, group, log)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            signal.signal(signal.SIGTERM, previous)
        return table(group, data, json.loads(result.read_text())) if group.node_rank == 0 else None


def _environment(group: Group, local: int) -> dict[str, str]:
    numbers = {
        "RANK": group.node_rank * group.processes + local,
        "WORLD_SIZE": group.world_size,
        "LOCAL_RANK": local,
        "MASTER_ADDR": group.host,
        "MASTER_PORT": group.port,
    }
    return {"OMP_NUM_THREADS": "1", **os.environ, **{name: str(value) for name, value in numbers.items()}}


def _wait(processes: list[subprocess.Popen[bytes]], limit_s: float, group: Group, log: Callable[[str], None]) -> None:
    """Wait for all ranks; stop waiting soon after one has failed, or after the limit."""
    deadline, failed = time.monotonic() + limit_s, False
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if not failed and any(process.poll() for process in processes):
            failed, deadline = True, min(deadline, time.monotonic() + FOLLOW_S)
        time.sleep(0.05)
    for local, process in enumerate(processes):
        if process.poll() is not None and process.returncode < 0:
            name = signal.Signals(-process.returncode).name
            hint = ": out of host memory?" if name == "SIGKILL" else ""
            log(f"error: rank {group.node_rank * group.processes + local}: ended by {name}{hint}")
    if any(process.poll() != 0 for process in processes):
        limit = "" if any(process.poll() for process in processes) else f" after {limit_s:.0f} s"
        raise UserError(f"ddp-check: failed{limit}; the first line above with `error: rank` names the phase")


def bus_bandwidth_gib_s(size_bytes: int, seconds: float, ranks: int) -> float:
    """Return an all-reduce's bus bandwidth [GiB/s]: 2(n-1)/n x size / time, which does not depend on n.

    Source: NCCL-tests, doc/PERFORMANCE.md: each rank sends and receives 2(n-1)/n of the data.
    """
    return 2 * (ranks - 1) / ranks * size_bytes / seconds / 2**30


def table(group: Group, data: Synthetic, found: dict[str, Any]) -> str:
    """Return what the ranks found as a table."""
    where = f"{group.nodes} nodes" if group.nodes > 1 else "1 node"
    size, seconds = found["bytes"], found["seconds"]
    bandwidth = f"{bus_bandwidth_gib_s(size, seconds, group.world_size):.2f} GiB/s"
    batch, steps = data.batch, data.steps(group.world_size)
    left_out = data.samples - steps * batch * group.world_size
    rows = [
        ("processes", f"{group.world_size} on {where} ({group.backend})"),
        ("one group", f"an all-reduce of ones gave {found['ranks_in_all_reduce']}"),
        ("bus bandwidth", f"{bandwidth} (all-reduce of {size >> 20} MiB in {seconds * 1000:.1f} ms)"),
        ("data", f"{data.samples} samples, {data.features} features, {data.classes} classes, seed {data.seed}"),
        ("batch", f"[{batch}, {data.features}] -> [{batch}, {data.classes}] on each process"),
        ("epochs", f"{data.epochs}, each {steps} steps of {batch * group.world_size} samples; {left_out} left out"),
        ("learning rate", f"{data.learning_rate:g} (Adam)"),
        ("weights", "the same on all ranks"),
        ("result", f"passed: loss {found['first_loss']:.4f} -> {found['last_loss']:.4f} in {found['steps']} DDP steps"),
    ]
    if group.world_size == 1:
        rows[2] = ("bus bandwidth", "none with one process")
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
