"""The values file of a new experiment: its values, the sharding that fits, and the text."""

from vlm_sft.genvalues.commands.new_experiment import NewExperiment, first_values
from vlm_sft.genvalues.commands.values_text import values_text
from vlm_sft.genvalues.sizing.gpu import Gpu
from vlm_sft.genvalues.sizing.sharding_choice import SizedRun, choose


def new_file(new: NewExperiment, gpu: Gpu, question: str, schema: str) -> tuple[SizedRun, str]:
    """Return how the model is placed on its GPUs, and the file; `schema` is the path from the file to the schema.

    Raises:
        UserError: the answers do not go together.
    """
    values = first_values(new)
    sized = choose(values, gpu)
    train = values["train"]
    train["sharding"] = sized.sharding
    if sized.sharding == "ddp":
        del train["sharding"]  # the chart's default
    if sized.liger:
        train["args"]["use_liger_kernel"] = True
    comments = {"storage.cache": "every node reads the model", "train.effectiveBatchSize": _product(new)}
    return sized, values_text(schema, question or new.question, sized.verdict, values, comments)


def _product(new: NewExperiment) -> str:
    """Return the effective batch as its product: per GPU x accumulation x GPUs x nodes."""
    gpus = f"{new.gpus} GPU{'s' if new.gpus > 1 else ''}"
    nodes = f" x {new.nodes} nodes" if new.nodes > 1 else ""
    return f"1 x {new.target // new.world} x {gpus}{nodes}"
