"""The numbers that ms-swift's arguments can have: its dataclasses declare only that they are numbers.

Each range is one that ms-swift, transformers, torch or peft refuses to leave, or beyond which nothing is trained.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Limits of a number: `minimum` and `maximum` belong to the range, `above` and `below` do not."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    whole: bool = False  # above 1 only whole numbers: below 1 it is a share of the run's steps
    hint: str = ""  # the way out

    @property
    def text(self) -> str:
        """The limits in words: `>= 0 and < 1`."""
        limits = {">=": self.minimum, ">": self.above, "<=": self.maximum, "<": self.below}
        text = " and ".join(f"{sign} {limit:g}" for sign, limit in limits.items() if limit is not None)
        return text + (", whole from 1 on" if self.whole else "")

    def has(self, number: float) -> bool:
        """Return whether the number is within the limits; nan is in no range."""
        return (
            (self.minimum is None or number >= self.minimum)
            and (self.above is None or number > self.above)
            and (self.maximum is None or number <= self.maximum)
            and (self.below is None or number < self.below)
            and number == number
            and not (self.whole and number > 1 and number != int(number))
        )


_COUNT = Range(minimum=1)
_FROM_0 = Range(minimum=0)
_ABOVE_0 = Range(above=0)
_SHARE = Range(minimum=0, maximum=1)
_DROPOUT = Range(minimum=0, below=1)
_BETA = Range(minimum=0, below=1)
_STEPS = Range(minimum=0, whole=True)

RANGES = {
    # the optimizer: torch refuses negative rates and betas of 1
    "learning_rate": _ABOVE_0,
    "lr": _ABOVE_0,
    "min_lr": _FROM_0,
    "vit_lr": _FROM_0,
    "aligner_lr": _FROM_0,
    "weight_decay": _FROM_0,
    "adam_beta1": _BETA,
    "adam_beta2": _BETA,
    "adam_epsilon": _FROM_0,
    "adam_eps": _FROM_0,
    "warmup_ratio": Range(minimum=0, below=1, hint="warmup_steps takes a number of steps"),
    "lr_warmup_fraction": Range(minimum=0, maximum=1, hint="lr_warmup_iters takes a number of steps"),
    "warmup_steps": _FROM_0,
    "lr_warmup_iters": _FROM_0,
    "label_smoothing_factor": _SHARE,
    "neftune_noise_alpha": _FROM_0,
    # the length of the run
    "num_train_epochs": _ABOVE_0,
    "max_epochs": _COUNT,
    "max_steps": Range(minimum=-1, hint="-1 lets num_train_epochs decide"),
    "train_iters": _COUNT,
    "logging_steps": _COUNT,
    "save_steps": _STEPS,
    "eval_steps": _STEPS,
    "eval_delay": _FROM_0,
    # the batch
    "per_device_train_batch_size": _COUNT,
    "per_device_eval_batch_size": _COUNT,
    "gradient_accumulation_steps": _COUNT,
    "micro_batch_size": _COUNT,
    "global_batch_size": _COUNT,
    "sequence_parallel_size": _COUNT,
    # rows
    "split_dataset_ratio": Range(minimum=0, below=1, hint="it is a share of the rows"),
    "max_length": _COUNT,
    "max_pixels": _COUNT,
    "packing_length": _COUNT,
    "packing_num_proc": _COUNT,
    "dataset_num_proc": _COUNT,
    "shuffle_buffer_size": _COUNT,
    "dataloader_num_workers": _FROM_0,
    "dataloader_prefetch_factor": _COUNT,
    "seed": _FROM_0,  # numpy's limit
    "data_seed": _FROM_0,
    "ddp_timeout": _COUNT,
    # tuners
    "lora_rank": _COUNT,
    "lora_alpha": _ABOVE_0,
    "lora_dropout": _DROPOUT,
    "vera_rank": _COUNT,
    "vera_dropout": _DROPOUT,
    "boft_dropout": _DROPOUT,
    "adalora_init_r": _COUNT,
    "adalora_target_r": _COUNT,
    "freeze_parameters_ratio": _SHARE,
    # generation
    "max_new_tokens": _COUNT,
    "temperature": _FROM_0,
    "top_p": _SHARE,
    "repetition_penalty": _ABOVE_0,
    "num_beams": _COUNT,
}
