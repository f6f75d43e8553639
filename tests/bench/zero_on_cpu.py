"""A plug-in for ms-swift that lets accelerate use DeepSpeed on CPUs, over gloo."""

from typing import Any

import deepspeed
import torch.distributed as dist
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

_init, _init_partial = AcceleratorState.__init__, PartialState.__init__


def _with_group(self: PartialState, *args: Any, **options: Any) -> None:
    _init_partial(self, *args, **options)
    if dist.is_initialized() and not deepspeed.comm.is_initialized():
        deepspeed.init_distributed(dist_backend="gloo")


def _with_deepspeed(self: AcceleratorState, *args: Any, deepspeed_plugin: Any = None, **options: Any) -> None:
    _init(self, *args, deepspeed_plugin=deepspeed_plugin, **options)
    if deepspeed_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.DEEPSPEED
        self._mixed_precision = "no"  # DeepSpeed's own config sets it
        plugins = list(deepspeed_plugin.values()) if isinstance(deepspeed_plugin, dict) else [deepspeed_plugin]
        for plugin in plugins:
            plugin.set_mixed_precision("no")
        plugins[0].select(_from_accelerator_state=True)
        self.deepspeed_plugins = deepspeed_plugin


PartialState.__init__, AcceleratorState.__init__ = _with_group, _with_deepspeed
