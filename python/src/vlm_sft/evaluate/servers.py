"""Model servers on loopback, one per GPU: `swift deploy`, with transformers or with vLLM."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vlm_sft.errors import UserError
from vlm_sft.launch.command import argv, entry_point

NAME = "model"  # under which each server serves it
POLL_S = 0.5
LOOPBACK = urllib.request.build_opener(
    urllib.request.ProxyHandler({})
)  # a proxy in the environment is for the internet
ENDS_AFTER_S = 10.0  # between SIGTERM and SIGKILL


class Servers:
    """Running servers; `check` raises as soon as one has ended."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], ports: list[int]) -> None:
        self._processes = processes
        self.addresses = [f"http://127.0.0.1:{port}/v1" for port in ports]
        self._health = [f"http://127.0.0.1:{port}/health" for port in ports]

    def check(self) -> None:
        """Raise a UserError if a server has ended."""
        for process in self._processes:
            if process.poll() is not None:
                kept = "finished answers are kept, the next try continues with the others"
                raise UserError(
                    f"swift deploy: ended with exit code {process.returncode}; its message is above; {kept}"
                )

    def wait(self) -> None:
        """Return when every server answers; a large model loads for minutes, so there is no limit of time."""
        for address in self._health:
            while not _answers(address):
                self.check()
                time.sleep(POLL_S)

    def stop(self) -> None:
        """End all servers."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(ENDS_AFTER_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def serve(args: Mapping[str, Any], env: Mapping[str, str], count: int, gpus: int,
          log: Callable[[str], None]) -> Iterator[Servers]:  # fmt: skip
    """Start `count` servers that share `gpus` GPUs, wait for them, and end them at the end.

    Args:
        args: arguments of `swift deploy` that name the model, the engine and the template.
        env: environment of the servers.
        count: number of servers.
        gpus: number of GPUs of this pod; 0: the CPU.
        log: takes one line for the log.

    Raises:
        UserError: a server ends before it answers.
    """
    script = entry_point("deploy")
    ports, processes = _free_ports(count), []
    each = gpus // count if gpus else 0
    for number, port in enumerate(ports):
        own = {**env}
        own.pop("NPROC_PER_NODE", None)  # one process per server
        if gpus > each:
            visible = env.get("CUDA_VISIBLE_DEVICES", "").split(",") if env.get("CUDA_VISIBLE_DEVICES") else None
            devices = visible or [str(device) for device in range(gpus)]
            own["CUDA_VISIBLE_DEVICES"] = ",".join(devices[number * each : (number + 1) * each])
        words = argv({**args, "host": "127.0.0.1", "port": port, "served_model_name": NAME, "verbose": False})
        # The result is on stdout: a server's log goes to stderr.
        processes.append(subprocess.Popen([sys.executable, script, *words], env=own, stdout=sys.stderr.fileno()))
    servers = Servers(processes, ports)
    try:
        begin = time.monotonic()
        servers.wait()
        log(f"{count} server{'s' * (count > 1)} ready after {time.monotonic() - begin:.0f} s")
        yield servers
    finally:
        servers.stop()


def _free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _answers(address: str) -> bool:
    try:
        with LOOPBACK.open(address, timeout=10) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the config's variables, overridden by those of the process."""
    return {**env, **os.environ}
