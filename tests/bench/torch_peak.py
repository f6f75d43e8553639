"""Peak bytes of one training step as torch counts them on the CPU, with ms-swift's settings, without allocating them.

The real transformers and PEFT classes run under `FakeTensorMode`, which computes shapes, dtypes and lifetimes but no
values, so that an 8-billion-parameter step takes seconds. Every storage is counted from its first appearance to its
release, in the caching allocator's blocks of 512 bytes. Models with images read values during the step (the positions
of the image tokens), so they run with real tensors and must be small.

Attention is causal flash attention: it keeps q, k, v, its output and one float per head and token, and no mask.
"""

import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import AttentionInterface

BLOCK_BYTES = 512  # c10/cuda/CUDACachingAllocator: kMinBlockSize


@dataclass(frozen=True)
class Case:
    """One training step; the names are ms-swift's."""

    config: Mapping[str, Any]
    tokens: int
    batch: int = 1
    lora_rank: int = 0  # 0: full
    lora_dropout: float = 0.0
    gradient_checkpointing: bool = True
    vit_gradient_checkpointing: bool = True
    freeze_vit: bool = True
    freeze_aligner: bool = True
    image_tokens: int = 0  # per row; a square number
    kept_logits: int = 0  # 0: all
    accumulation: int = 1


@dataclass(frozen=True)
class Peak:
    """Bytes of the second optimizer step, when the optimizer states exist."""

    weights: int
    before: int  # weights and optimizer states
    saved: int  # for the backward pass
    loss: int  # highest of the forward pass
    backward: int
    step: int

    @property
    def highest(self) -> int:
        return max(self.loss, self.backward, self.step)


@dataclass
class LiveStorages(TorchDispatchMode):
    """Counts the bytes of every live storage that torch creates while the mode is active."""

    fake: bool
    live: int = 0
    peak: int = 0
    sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            is_counted = isinstance(leaf, FakeTensor) if self.fake else isinstance(leaf, torch.Tensor)
            if is_counted and leaf.device.type != "meta":
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self.sizes:
            return
        self.sizes[key] = -(-storage.nbytes() // BLOCK_BYTES) * BLOCK_BYTES
        self.live += self.sizes[key]
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.live -= self.sizes.pop(key)

    def highest_since(self) -> int:
        """Return the peak since the last call."""
        peak, self.peak = self.peak, self.live
        return peak


def measure(case: Case) -> Peak:
    """Run two optimizer steps and return the peaks of the second."""
    fake = case.image_tokens == 0
    model = _model(case)
    inputs = _inputs(case)
    counter = LiveStorages(fake)
    with FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext(), counter:
        originals = _materialise(model)
        weights = counter.live
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, fused=True)
        batch = {key: torch.zeros(x.shape, dtype=x.dtype) if fake else x.clone() for key, x in inputs.items()}
        for _ in range(2):
            before = counter.live
            counter.highest_since()
            forward_peak = backward_peak = saved = 0
            for _ in range(case.accumulation):
                start = counter.live
                loss = _forward(model, batch, case)
                saved = counter.live - start
                forward_peak = max(forward_peak, counter.highest_since())
                loss.backward()
                del loss
                backward_peak = max(backward_peak, counter.highest_since())
            optimizer.step()
            step_peak = counter.highest_since()
            optimizer.zero_grad()
    del originals
    return Peak(weights, before, saved, forward_peak, backward_peak, step_peak)


def profiled_peak(case: Case) -> int:
    """Return the peak bytes of a real step from torch's profiler; `measure` must agree with it."""
    model, inputs = _model(case), _inputs(case)
    originals = _materialise(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, fused=True)

    def step() -> None:
        loss = _forward(model, inputs, case)
        loss.backward()
        del loss
        optimizer.step()
        optimizer.zero_grad()

    step()
    kept = [*model.parameters(), *model.buffers(), *(x for state in optimizer.state.values() for x in state.values())]
    held = {x.untyped_storage()._cdata: x.untyped_storage().nbytes() for x in kept}
    with torch.profiler.profile(profile_memory=True) as profile:
        step()
    del originals
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: int(event.start_ns())):
        live += event.nbytes()
        peak = max(peak, live)
    return sum(held.values()) + peak


def _flash(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **kwargs: Any
) -> tuple[Any, None]:
    causal = kwargs.get("is_causal")
    output = torch.nn.functional.scaled_dot_product_attention(
        query,
        key,
        value,
        is_causal=getattr(module, "is_causal", True) if causal is None else causal,
        scale=kwargs.get("scaling"),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output.transpose(1, 2), None


AttentionInterface.register("causal_only", _flash)
AttentionMaskInterface.register("causal_only", lambda *args, **kwargs: None)


def _model(case: Case) -> Any:
    config = AutoConfig.for_model(**case.config)
    auto = AutoModelForImageTextToText if "vision_config" in case.config else AutoModelForCausalLM
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        model = auto.from_config(config, attn_implementation="causal_only")
    torch.set_default_dtype(torch.float32)
    model.train()
    names = dict(model.named_parameters())
    for name, parameter in names.items():
        if "visual" in name:
            parameter.requires_grad = not (case.freeze_aligner if "merger" in name else case.freeze_vit)
    if case.lora_rank:
        wanted = [
            name
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear)
            and name != "lm_head"
            and all(parameter.requires_grad for parameter in module.parameters())
        ]
        with torch.device("meta"):
            adapters = LoraConfig(r=case.lora_rank, lora_dropout=case.lora_dropout, target_modules=wanted)
            model = get_peft_model(model, adapters)
    if case.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    for name, module in model.named_modules():
        if "visual" in name and hasattr(module, "gradient_checkpointing"):
            module.gradient_checkpointing = case.vit_gradient_checkpointing
        if name.endswith("visual") and not any(parameter.requires_grad for parameter in module.parameters()):
            module.forward = torch.no_grad()(module.forward)  # ms-swift's patch_frozen_module
    return model


def _materialise(model: Any) -> list[Any]:
    """Replace the meta parameters by counted ones; return the meta ones, which must stay alive to keep their ids."""
    made: dict[int, Any] = {}
    originals = []
    for module in model.modules():
        for store in (module._parameters, module._buffers):
            for name, old in list(store.items()):
                if old is None:
                    continue
                if id(old) not in made:
                    new = torch.zeros(old.shape, dtype=old.dtype)
                    is_parameter = isinstance(old, torch.nn.Parameter)
                    made[id(old)] = torch.nn.Parameter(new, old.requires_grad) if is_parameter else new
                    originals.append(old)
                store[name] = made[id(old)]
    return originals


def _inputs(case: Case) -> dict[str, torch.Tensor]:
    ids = torch.zeros(case.batch, case.tokens, dtype=torch.long)
    inputs = {"input_ids": ids, "labels": torch.zeros(case.batch, case.kept_logits or case.tokens, dtype=torch.long)}
    if case.image_tokens:
        vision = case.config["vision_config"]
        side = int(case.image_tokens**0.5) * vision["spatial_merge_size"]
        width = 3 * vision["temporal_patch_size"] * vision["patch_size"] ** 2
        ids[:, 1 : 1 + case.image_tokens] = case.config["image_token_id"]
        inputs["mm_token_type_ids"] = (ids == case.config["image_token_id"]).int()
        inputs["image_grid_thw"] = torch.tensor([[1, side, side]] * case.batch)
        inputs["pixel_values"] = torch.zeros(case.batch * side * side, width)
    return inputs


def _forward(model: Any, batch: dict[str, torch.Tensor], case: Case) -> Any:
    """Run the forward pass as accelerate does with bf16: under autocast, with outputs converted to float32."""
    kept = {"logits_to_keep": case.kept_logits} if case.kept_logits else {}
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**batch, **kept, use_cache=False)
    converted = {name: value.float() for name, value in output.items() if isinstance(value, torch.Tensor)}
    return converted["loss"]
