"""One rank of the check: device, rendezvous, all-reduce, DDP, each with its own time limit [s] and its own message.

`vlm_sft.ddp_check.run` starts it as `rank.py RESULT TIMEOUT_S BACKEND SYNTHETIC`, the last as JSON, with torchrun's
variables; rank 0 writes RESULT.
"""

import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from vlm_sft.ddp_check.mlp import MlpTraining, Place
from vlm_sft.ddp_check.synthetic import Synthetic

RANK, WORLD, LOCAL = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
HOST, PORT = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
PAYLOAD_BYTES = {"gloo": 64 << 20, "nccl": 256 << 20}  # large enough that latency does not count
MEASURE_S, MAX_ROUNDS = 2.0, 20
SAFE_RATE = 3e-3  # of Adam on this model: with it a loss that rises is an error of torch
OURS_FIRST_S = 30  # torch's own limits are longer by this, so that our message is printed first
HINTS = {
    "device": "the cause is the driver or the pod's GPUs; look at `nvidia-smi` in the pod",
    "rendezvous": "the cause is name resolution or the network between the pods, not NCCL and not the training script",
    "all-reduce": "the processes are connected but cannot exchange data: the cause is {backend}, not the training "
    "script; look at {settings}",
    "DDP": "all-reduce works, so the cause is torch or its CUDA libraries, not the network",
}
SETTINGS = {
    "gloo": "GLOO_SOCKET_IFNAME",
    "nccl": "NCCL_SOCKET_IFNAME, NCCL_IB_HCA and /dev/shm; NCCL_DEBUG=INFO logs more",
}


class WrongError(Exception):
    """A wrong result for which torch raises no error; `hint` replaces that of the phase."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def fail(phase: str, backend: str, what: str, hint: str = "") -> None:
    """Print which phase failed, and end this process even if other threads still wait."""
    hint = hint or HINTS["DDP" if phase.startswith("epoch") else phase]
    hint = hint.format(backend=backend, settings=SETTINGS[backend])
    print(f"error: rank {RANK}: {phase}: {what}; {hint}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(1)


@contextmanager
def phase(name: str, timeout_s: float, backend: str) -> Iterator[list[str]]:
    """Run a phase within its time limit; any error in it ends the process with one line. It may append findings."""
    watchdog = threading.Timer(timeout_s, fail, (name, backend, f"not done after {timeout_s:.0f} s"))
    watchdog.daemon = True
    watchdog.start()
    started_s = time.monotonic()
    found: list[str] = []
    try:
        yield found
    except WrongError as error:
        fail(name, backend, str(error), error.hint)
    except Exception as error:  # torch raises many types of errors; each is reported
        fail(name, backend, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}")
    finally:
        watchdog.cancel()
    if RANK == 0:
        shown = ", ".join(found) or "ok"
        print(f"{name}: {shown} after {time.monotonic() - started_s:.1f} s", file=sys.stderr, flush=True)  # noqa: T201


def device_of(backend: str) -> torch.device:
    """Return this rank's device after a test computation on it."""
    if backend == "gloo":
        return torch.device("cpu")
    if torch.cuda.device_count() <= LOCAL:
        raise WrongError(f"torch {torch.__version__} sees {torch.cuda.device_count()} GPUs, need {LOCAL + 1}")
    torch.cuda.set_device(LOCAL)
    device = torch.device("cuda", LOCAL)
    ones = torch.ones(64, 64, device=device)
    if (ones @ ones).sum().item() != 64.0**3:
        raise WrongError("a matrix product is wrong")
    return device


def rendezvous(timeout_s: float) -> Any:  # noqa: ANN401 - torch exports no type of its stores
    """Return the store that all ranks have joined; rank 0 serves it."""
    deadline = time.monotonic() + timeout_s
    while True:  # a headless Service's name appears some seconds after its pod
        try:
            socket.getaddrinfo(HOST, PORT)
            break
        except socket.gaierror as error:
            if time.monotonic() >= deadline:
                raise WrongError(f"{HOST}: {error.strerror}") from None
            time.sleep(1)
    limit = timedelta(seconds=timeout_s)
    return dist.TCPStore(HOST, PORT, WORLD, RANK == 0, limit)  # type: ignore[attr-defined]


def round_seconds(device: torch.device, payload: torch.Tensor, rounds: int) -> float:
    """Return how long one all-reduce takes [s]: the slowest rank's time, on all ranks."""
    dist.barrier()
    started_s = time.perf_counter()
    for _ in range(rounds):
        dist.all_reduce(payload)
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = torch.tensor([(time.perf_counter() - started_s) / rounds], device=device)
    dist.all_reduce(seconds, op=dist.ReduceOp.MAX)
    return float(seconds.item())


def train(data: Synthetic, device: torch.device, timeout_s: float, backend: str) -> dict[str, Any]:
    """Train with DDP, each process on its own part of each batch; the losses before and after are over all rows."""
    with phase("DDP", timeout_s, backend):
        training = MlpTraining(data, Place(RANK, WORLD, device))
        before = training.loss()
    for number in range(1, data.epochs + 1):
        with phase(f"epoch {number} of {data.epochs}", timeout_s, backend) as found:
            found.append(f"loss {training.epoch(number):.4f}")
            if number == data.epochs:
                after = training.loss()
                check(training, before, after)
    return {"first_loss": before, "last_loss": after, "steps": data.epochs * data.steps(WORLD)}


def check(training: MlpTraining, before: float, after: float) -> None:
    """Raise unless the ranks have one model, which they have only if gradients were exchanged, and its loss fell."""
    digest = hashlib.sha256()
    for parameter in training.model.parameters():
        digest.update(parameter.detach().cpu().numpy().tobytes())
    weights: list[Any] = [None] * WORLD
    dist.all_gather_object(weights, digest.hexdigest())
    if len(set(weights)) != 1:
        raise WrongError(f"the ranks ended with {len(set(weights))} different models")
    if not after < before:
        rate = training.data.learning_rate
        hint = f"the exchange works; learning rate {rate:g} may be too high: use 0.003"
        raise WrongError(f"the loss did not fall: {before:.4f} -> {after:.4f}", hint if rate > SAFE_RATE else "")


def main(result: Path, timeout_s: float, backend: str, data: Synthetic) -> None:
    """Run all phases."""
    with phase("device", timeout_s, backend):
        device = device_of(backend)
    with phase("rendezvous", timeout_s + 5, backend):  # torch's own limit ends first: its message shows how many joined
        store = rendezvous(timeout_s)
    with phase("all-reduce", timeout_s, backend):
        limit = timedelta(seconds=timeout_s + OURS_FIRST_S)
        dist.init_process_group(backend, store=store, rank=RANK, world_size=WORLD, timeout=limit)
        ones = torch.ones(1, device=device)
        dist.all_reduce(ones)
        if int(ones.item()) != WORLD:
            raise WrongError(f"ones of {WORLD} ranks add up to {ones.item():g}")
        payload = torch.zeros(PAYLOAD_BYTES[backend] // 4, device=device)  # fp32: 4 bytes each
        first_s = round_seconds(device, payload, 1)
        rounds = max(1, min(MAX_ROUNDS, int(MEASURE_S / first_s)))  # the same on all ranks, because first_s is
        seconds = round_seconds(device, payload, rounds)
    import_module("torch._dynamo")  # DDP imports it, which takes many seconds on a slow disk; not counted as DDP
    trained = train(data, device, timeout_s, backend)
    if RANK == 0:
        found = {
            "ranks_in_all_reduce": int(ones.item()),
            "bytes": PAYLOAD_BYTES[backend],
            "seconds": seconds,
            **trained,
        }
        result.write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3], Synthetic(**json.loads(sys.argv[4])))
