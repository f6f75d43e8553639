"""What several `genvalues` commands share: the options that choose values, the chart and Helm, as one Chosen."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from vlm_sft.genvalues.commands import report_format
from vlm_sft.genvalues.experiment import Experiment, load_experiment
from vlm_sft.genvalues.sizing.train_config import TrainConfig
from vlm_sft.genvalues.values.chart import Chart, find_chart, load_chart
from vlm_sft.genvalues.values.helm import Setting

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
# Helm's order: a form further down overrides those above it
FORMS = {"set_json": "--set-json", "set_": "--set", "set_string": "--set-string", "set_file": "--set-file"}


@dataclass(frozen=True)
class Chosen:
    """The overlays below each experiment, the options over it, and what it is rendered with."""

    overlays: tuple[Path, ...] = ()
    settings: tuple[Setting, ...] = ()
    chart_folder: Path | None = None
    helm: str | None = None

    @cached_property
    def chart(self) -> Chart:
        """The chart, read once; raises UserError when it or Helm is missing."""
        return load_chart(find_chart(self.chart_folder), self.helm)

    def load(self, path: Path, release: str | None = None) -> Experiment:
        """Merge, render and check one values file."""
        return load_experiment(self.chart, path, self.overlays, self.settings, release)

    def config(self, path: Path) -> TrainConfig:
        """Return the run of a values file; or print its errors and end the program with exit code 1."""
        experiment = self.load(path)
        if experiment.errors:
            click.echo(report_format.as_text(experiment.errors), err=True)
        elif experiment.config is None:
            click.echo(f"error: {path}: train.enabled: false, so there is no run; set it to true", err=True)
        if experiment.errors or experiment.config is None:
            sys.exit(1)
        return experiment.config


chart_option = click.option("--chart", "chart_folder", type=FILE, metavar="DIR",
                            help="The chart's directory; by default charts/vlm-sft here or above.")  # fmt: skip
helm_option = click.option("--helm", envvar="HELM", show_envvar=True, metavar="PATH",
                           help="Helm 3 or 4; by default the one on PATH, else that of `make setup`.")  # fmt: skip


def values_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --with, the four forms of --set, --chart and --helm, which reach the command as `chosen`."""

    @functools.wraps(command)
    def with_chosen(overlays: tuple[Path, ...], chart_folder: Path | None, helm: str | None, **rest: Any) -> None:  # noqa: ANN401
        settings = tuple(Setting(form, text) for name, form in FORMS.items() for text in rest.pop(name))
        command(chosen=Chosen(overlays, settings, chart_folder, helm), **rest)

    def repeated(name: str, form: str, metavar: str) -> Callable[..., Any]:
        return click.option(name, form, multiple=True, metavar=metavar, help=f"As helm {form}; may be repeated.")

    overlay_help = "Values file below each experiment, such as values/clusters/nautilus.yaml; may be repeated."
    for option in (
        helm_option,
        chart_option,
        repeated("set_file", "--set-file", "KEY=PATH"),
        repeated("set_json", "--set-json", "KEY=JSON"),
        repeated("set_string", "--set-string", "KEY=VALUE"),
        repeated("set_", "--set", "KEY=VALUE"),
        click.option("overlays", "--with", multiple=True, type=FILE, metavar="FILE", help=overlay_help),
    ):
        with_chosen = option(with_chosen)
    return with_chosen
