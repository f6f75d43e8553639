"""A plug-in for ms-swift that lets accelerate use FSDP2 on CPUs: torch's `fully_shard` runs there, with gloo."""

from typing import Any

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

_init = AcceleratorState.__init__


def _with_fsdp(self: AcceleratorState, *args: Any, fsdp_plugin: Any = None, **options: Any) -> None:
    _init(self, *args, fsdp_plugin=fsdp_plugin, **options)
    if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.FSDP
        self.fsdp_plugin = fsdp_plugin


AcceleratorState.__init__ = _with_fsdp
