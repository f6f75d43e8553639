"""Exact parameter counts of a shape, by the group that a run freezes or trains. Unit: parameters."""

from dataclasses import dataclass

from vlm_sft.genvalues.sizing.linear import aligner_linears, decoder_linears, vision_linears
from vlm_sft.genvalues.sizing.shape import Shape, TextShape, VisionShape


@dataclass(frozen=True)
class Parameters:
    """Counts that add up to the whole model."""

    decoder: int  # layers and final norm
    experts: int  # the part of `decoder` that lies in experts
    embedding: int  # tokens and learned positions
    head: int  # 0 where it is tied to the embedding
    vision: int
    aligner: int

    @property
    def total(self) -> int:
        """All parameters, each counted once."""
        return self.decoder + self.embedding + self.head + self.vision + self.aligner

    @property
    def llm(self) -> int:
        """What `freeze_llm` freezes."""
        return self.decoder + self.embedding + self.head


def count(shape: Shape) -> Parameters:
    """Return the counts; equal to `sum(p.numel() for p in model.parameters())` of the transformers class."""
    text, vision = shape.text, shape.vision
    table = text.vocab * text.hidden
    return Parameters(
        decoder=text.layers * layer(text) + _norm(text),
        experts=text.layers * text.experts * 3 * text.hidden * text.intermediate,
        embedding=table + text.learned_positions * text.hidden,
        head=0 if text.tied else table,
        vision=_vision(vision) if vision else 0,
        aligner=_aligner(vision) if vision else 0,
    )


def layer(text: TextShape) -> int:
    """Return the parameters of one decoder layer."""
    matrices = sum(linear.size for linear in decoder_linears(text)) // text.layers
    norms = 2 * _norm(text) + (2 * text.head_dim if text.qk_norm else 0)
    biases = (text.q_dim + 2 * text.kv_dim) * text.qkv_bias + (2 * text.hidden + text.intermediate) * text.other_bias
    router_and_experts = text.experts * text.hidden * (1 + 3 * text.intermediate)  # no nn.Linear in transformers 5
    return matrices + norms + biases + router_and_experts


def _norm(text: TextShape) -> int:
    return text.hidden * (2 if text.layer_norm else 1)


def _vision(vision: VisionShape) -> int:
    hidden, swiglu = vision.hidden, vision.mlp == "swiglu"
    matrices = sum(linear.size for linear in vision_linears(vision))
    biases = 3 * hidden + hidden + (2 * vision.intermediate if swiglu else vision.intermediate) + hidden
    norms = 2 * hidden if swiglu else 4 * hidden  # RMSNorm beside SwiGLU, else LayerNorm
    patch = hidden * vision.channels * vision.temporal * vision.patch_px**2 + (0 if swiglu else hidden)
    return matrices + vision.layers * (biases + norms) + patch + vision.learned_positions * hidden


def _aligner(vision: VisionShape) -> int:
    wide = vision.hidden * vision.merge**2
    mergers = 1 + vision.deepstack
    matrices = sum(linear.size for linear in aligner_linears(vision))
    biases = mergers * (wide + vision.out_hidden)
    norm = vision.hidden if vision.mlp == "swiglu" else 2 * vision.hidden
    return matrices + biases + norm + vision.deepstack * 2 * wide
