"""The linear layers of a model: what LoRA and quantisation act on, and where the FLOPs are. Unit: elements."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vlm_sft.genvalues.sizing.shape import Shape, TextShape, VisionShape

Group = Literal["llm", "vit", "aligner"]


@dataclass(frozen=True)
class Linear:
    """`count` weight matrices of the same name and size."""

    name: str  # ends as the module's path does
    inputs: int
    outputs: int
    count: int
    group: Group
    is_linear: bool = True  # False: GPT-2's Conv1D, which `all-linear` of ms-swift does not find

    @property
    def size(self) -> int:
        """Elements of all of them."""
        return self.inputs * self.outputs * self.count


def linears(shape: Shape) -> list[Linear]:
    """Return every linear layer but the head, which neither LoRA nor bitsandbytes touches."""
    found = list(decoder_linears(shape.text))
    if shape.vision:
        found += [*vision_linears(shape.vision), *aligner_linears(shape.vision)]
    return found


def decoder_linears(text: TextShape) -> Iterator[Linear]:
    """Yield the decoder's; experts are three-dimensional parameters in transformers 5 and are not among them."""
    hidden, q, kv, wide, n = text.hidden, text.q_dim, text.kv_dim, text.intermediate, text.layers
    if text.layer_norm:  # GPT-2 packs q, k and v
        yield Linear("attn.c_attn", hidden, q + 2 * kv, n, "llm", is_linear=False)
        yield Linear("attn.c_proj", q, hidden, n, "llm", is_linear=False)
        yield Linear("mlp.c_fc", hidden, wide, n, "llm", is_linear=False)
        yield Linear("mlp.c_proj", wide, hidden, n, "llm", is_linear=False)
        return
    yield Linear("self_attn.q_proj", hidden, q, n, "llm")
    yield Linear("self_attn.k_proj", hidden, kv, n, "llm")
    yield Linear("self_attn.v_proj", hidden, kv, n, "llm")
    yield Linear("self_attn.o_proj", q, hidden, n, "llm")
    if not text.experts:
        yield Linear("mlp.gate_proj", hidden, wide, n, "llm")
        yield Linear("mlp.up_proj", hidden, wide, n, "llm")
        yield Linear("mlp.down_proj", wide, hidden, n, "llm")


def vision_linears(vision: VisionShape) -> Iterator[Linear]:
    """Yield the vision blocks'; the patch embedding is a convolution and not among them."""
    hidden, wide, n = vision.hidden, vision.intermediate, vision.layers
    yield Linear("attn.qkv", hidden, 3 * hidden, n, "vit")
    yield Linear("attn.proj", hidden, hidden, n, "vit")
    if vision.mlp == "swiglu":
        yield Linear("mlp.gate_proj", hidden, wide, n, "vit")
        yield Linear("mlp.up_proj", hidden, wide, n, "vit")
        yield Linear("mlp.down_proj", wide, hidden, n, "vit")
    else:
        yield Linear("mlp.linear_fc1", hidden, wide, n, "vit")
        yield Linear("mlp.linear_fc2", wide, hidden, n, "vit")


def aligner_linears(vision: VisionShape) -> Iterator[Linear]:
    """Yield the mergers'."""
    wide, n = vision.hidden * vision.merge**2, 1 + vision.deepstack
    first, second = ("mlp.0", "mlp.2") if vision.mlp == "swiglu" else ("linear_fc1", "linear_fc2")
    yield Linear(f"merger.{first}", wide, wide, n, "aligner")
    yield Linear(f"merger.{second}", wide, vision.out_hidden, n, "aligner")
