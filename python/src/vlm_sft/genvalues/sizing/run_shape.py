"""RunShape: everything about a training run that decides its memory, its batch and its hours."""

from dataclasses import dataclass, field
from typing import Literal

from vlm_sft.genvalues.sizing.linear import Group
from vlm_sft.genvalues.sizing.lora import Lora, lora_parameters
from vlm_sft.genvalues.sizing.parameters import Parameters, count
from vlm_sft.genvalues.sizing.shape import Shape

Sharding = Literal["ddp", "zero1", "zero2", "zero3", "fsdp2", "megatron"]
Attention = Literal["flash", "sdpa", "eager"]
Optimizer = Literal["adamw_torch_fused", "adamw_torch", "adamw_8bit", "sgd"]
Offload = Literal["none", "optimizer", "all"]  # all: optimizer states and parameters in host memory


@dataclass(frozen=True)
class RunShape:
    """One training run; the defaults are ms-swift's."""

    shape: Shape
    seq_len_tokens: int  # of one row, its images' tokens included
    lora: Lora | None = field(default_factory=Lora)  # None: full
    quant_bits: int = 0  # 4 or 8: bitsandbytes; 0: bf16
    quant_in_floats: bool = False  # bnb_4bit_quant_storage is a float type, which FSDP2 can shard
    frozen: frozenset[Group] = frozenset({"vit", "aligner"})
    sharding: Sharding = "ddp"
    gpus_per_node: int = 1
    nodes: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    sequence_parallel: int = 1  # GPUs that split a row's tokens: Ulysses and ring, or Megatron's context parallelism
    batch_per_gpu: int = 1
    accumulation: int = 1
    image_tokens: int = 0  # of one row, after merging
    supervised_share: float = 1.0  # of the tokens whose logits are kept
    gradient_checkpointing: bool = True
    vit_gradient_checkpointing: bool = True
    liger: bool = False
    packed: bool = False  # packing or padding_free: no padding, no attention mask
    attention: Attention = "flash"
    optimizer: Optimizer = "adamw_torch_fused"
    offload: Offload = "none"
    on_cpu: bool = False  # other kernels: no CUDA context, 4-byte dropout masks, LayerNorm in bf16

    @property
    def world(self) -> int:
        """Processes, one per GPU."""
        return self.gpus_per_node * self.nodes

    @property
    def data_parallel(self) -> int:
        """Ranks that see different rows."""
        return self.world // (self.tensor_parallel * self.pipeline_parallel * self.sequence_parallel)

    @property
    def effective_batch(self) -> int:
        """Rows that one optimizer step sees."""
        return self.batch_per_gpu * self.accumulation * self.data_parallel

    @property
    def tokens_per_gpu(self) -> int:
        """Tokens whose activations one GPU holds; Megatron's sequence parallelism splits them as its tensors."""
        split = self.sequence_parallel * (self.tensor_parallel if self.sharding == "megatron" else 1)
        return -(-self.batch_per_gpu * self.seq_len_tokens // split)

    @property
    def parameters(self) -> Parameters:
        """Exact counts of the model."""
        return count(self.shape)

    @property
    def trained(self) -> int:
        """Parameters of the model itself that are trained; 0 with LoRA."""
        if self.lora is not None:
            return 0
        counts = self.parameters
        sizes: dict[Group, int] = {"llm": counts.llm, "vit": counts.vision, "aligner": counts.aligner}
        return sum(size for group, size in sizes.items() if group not in self.frozen)

    @property
    def adapters(self) -> int:
        """LoRA parameters; 0 without LoRA."""
        return lora_parameters(self.shape, self.lora, self.frozen) if self.lora else 0

    def trains(self, group: Group) -> bool:
        """Return whether anything in the group gets gradients."""
        return group not in self.frozen
