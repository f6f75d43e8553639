"""The values file of a new experiment: its values, the sharding that fits, and the text."""

from pathlib import Path
from tempfile import TemporaryDirectory

from vlm_sft.errors import UserError
from vlm_sft.genvalues.commands.new_experiment import NewExperiment, first_values
from vlm_sft.genvalues.commands.values_text import values_text
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.sizing.gpu import Gpu
from vlm_sft.genvalues.sizing.sharding_choice import SizedRun, choose
from vlm_sft.genvalues.sizing.train_config import TrainConfig
from vlm_sft.genvalues.values.chart import Chart


def new_file(new: NewExperiment, gpu: Gpu, question: str, schema: str, chart: Chart) -> tuple[SizedRun, str]:
    """Return how the model is placed on its GPUs, and the file; `schema` is the path from the file to the schema.

    Raises:
        UserError: the answers do not go together.
    """
    values = first_values(new)
    batch = _product(new)
    question = question or f"what does {new.model} learn from {new.dataset}?"
    sized = choose(checked(chart, values_text(schema, question, "", values, batch)), gpu)
    train = values["train"]
    train["sharding"] = sized.sharding
    if sized.sharding == "ddp":
        del train["sharding"]  # the chart's default
    if sized.liger:
        train["args"]["use_liger_kernel"] = True
    text = values_text(schema, question, sized.verdict, values, batch)
    checked(chart, text)
    return sized, text


def checked(chart: Chart, text: str) -> TrainConfig:
    """Return the run of a values file; raises UserError unless `genvalues validate` passes it."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "new.yaml")
        file.write_text(text, encoding="utf-8")
        experiment = load_experiment(chart, file)
    if experiment.errors or experiment.config is None:
        raise UserError("\n".join(problem.text for problem in experiment.errors))
    return experiment.config


def _product(new: NewExperiment) -> str:
    """Return the effective batch as its product: per GPU x accumulation x GPUs x nodes."""
    gpus = f"{new.gpus} GPU{'s' if new.gpus > 1 else ''}"
    nodes = f" x {new.nodes} nodes" if new.nodes > 1 else ""
    return f"1 x {new.target // new.world} x {gpus}{nodes}"
