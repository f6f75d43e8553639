"""How a run's work is divided: what ties a run to the number of its processes, or to the rows of a forward pass.

With the same effective batch, other divisions give the same optimizer steps: ms-swift divides the summed loss of a
step by the tokens of all processes. DDP's checkpoints are whole, so any number of processes can load them.
"""

from collections.abc import Mapping
from typing import Any

_OFF = ("", "none", "false", "0", "0.0")
_PARTS_OF_STATE = ("deepspeed", "fsdp")  # each process saves its own part
_OTHER_ORDER = ("streaming", "group_by_length")  # of the rows
_LOSS_OF_PASS = ("label_smoothing_factor", "loss_type", "router_aux_loss_coef")  # averaged over passes, not tokens


def tied_to_processes(args: Mapping[str, Any]) -> str | None:
    """Return the argument because of which only the same number of processes can continue a run, or None.

    Args:
        args: arguments of `swift sft` or `megatron sft`.
    """
    if "micro_batch_size" in args:
        return "megatron sft"
    if str(args.get("sequence_parallel_size", 1)) != "1":
        return f"sequence_parallel_size {args['sequence_parallel_size']}"
    tied = next((name for name in (*_PARTS_OF_STATE, *_OTHER_ORDER) if _is_on(args, name)), None)
    return f"{tied} {args[tied]}" if tied else tied_to_passes(args)


def tied_to_passes(args: Mapping[str, Any]) -> str | None:
    """Return the argument because of which a forward pass must keep its number of rows, or None."""
    if args.get("task_type", "causal_lm") != "causal_lm":
        return f"task_type {args['task_type']}"  # compares the rows of a pass, or averages over them
    if "average_tokens_across_devices" in args and not _is_on(args, "average_tokens_across_devices"):
        return "average_tokens_across_devices false"
    tied = next((name for name in ("group_by_length", *_LOSS_OF_PASS) if _is_on(args, name)), None)
    return f"{tied} {args[tied]}" if tied else None


def _is_on(args: Mapping[str, Any], name: str) -> bool:
    return str(args.get(name)).lower() not in _OFF
