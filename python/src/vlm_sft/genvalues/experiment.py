"""One experiment: its values files and options as Helm merges and renders them, and everything wrong with them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import chain
from pathlib import Path as FilePath
from typing import Any

from vlm_sft.genvalues.rules.chart_rules import RELEASE_NAME, corrected, findings, release_name_problem
from vlm_sft.genvalues.rules.explain import explain
from vlm_sft.genvalues.rules.policy import policies_beside
from vlm_sft.genvalues.rules.schema import Violation, validator_class, violations
from vlm_sft.genvalues.sizing.train_config import TrainConfig, train_config
from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.helm import RELEASE, HelmError, Inputs, Rendering, Setting
from vlm_sft.genvalues.values.places import Path, Places, dotted, read_places
from vlm_sft.genvalues.values.problem import Problem
from vlm_sft.swift_arguments.check import Command, check_arguments

_ADVICE = "vlm_sft.genvalues.advice"
SUFFIXES = (".yaml", ".yml")
_DELETED = "null deletes the chart's default, which its templates need; remove the line, or give a value"
CLUSTERS = "clusters"  # holds overlays, which are no experiments of their own


@dataclass(frozen=True)
class Experiment:
    """What Helm makes of one values file.

    `values` are the merged values, None when a file or an option cannot be read. `config` is train.yaml as the chart
    renders it, None when nothing is trained or anything is wrong.
    """

    path: str
    values: dict[str, Any] | None
    places: Places
    config: TrainConfig | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        """The problems that are no warnings."""
        return [problem for problem in self.problems if problem.severity == "error"]


def find_experiments(paths: Sequence[FilePath]) -> list[FilePath]:
    """Return the files given and those below the directories given, without the cluster overlays."""
    found: list[FilePath] = []
    for path in paths:
        if path.is_dir():
            files = (file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            inner = ((file, (path.name, *file.relative_to(path).parts)) for file in files)
            found += sorted(file for file, parts in inner if CLUSTERS not in parts and not parts[-1].startswith("."))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def load_experiment(
    chart: Chart,
    path: FilePath,
    overlays: Sequence[FilePath] = (),
    settings: Sequence[Setting] = (),
    release: str | None = None,
) -> Experiment:
    """Merge, render and check one experiment; never stops at the first problem."""
    inputs = Inputs((*overlays, path), tuple(settings))
    read = [read_places(file) for file in inputs.files]
    places = Places([file for file, _ in read], inputs)
    problems = [problem for _, found in read for problem in found]
    if any(problem.severity == "error" for problem in problems):
        return Experiment(str(path), None, places, problems=sorted(set(problems)))
    with ThreadPoolExecutor(2) as pool:
        merged = pool.submit(chart.helm.merged, inputs)
        rendered = pool.submit(chart.helm.rendered, inputs, release or RELEASE)
        validator_class()
        import_module(_ADVICE)
        try:
            values = chart.in_order(merged.result())
        except HelmError as error:
            unread = _unread(str(error), inputs)
            return Experiment(str(path), None, places, problems=sorted({*problems, unread}))
        rendering = rendered.result()
    wrong = violations(chart.schema, values)
    problems += schema_problems(chart, places, wrong)
    problems += _argument_problems(values, places)
    problems += _chart_problems(chart, places, wrong, rendering, release)
    config = train_config(rendering.manifests)
    if not wrong:
        problems += _warnings(places, values, config, overlays)
    return Experiment(str(path), values, places, config, sorted(set(problems)))


def arguments_by_place(values: Mapping[str, Any]) -> dict[Path, Command]:
    """Return the places of ms-swift's arguments, each with the command that takes them."""
    train = values.get("train")
    megatron = isinstance(train, dict) and train.get("backend") == "megatron"
    return {("train", "args"): "megatron" if megatron else "sft", ("evaluate", "args"): "infer"}


def schema_problems(chart: Chart, places: Places, wrong: Sequence[Violation]) -> Iterator[Problem]:
    """Yield one problem per wrong place of the merged values."""
    seen = set()
    for violation in wrong:
        if violation.keyword == "required" and places.is_null(violation.path):
            path, message = violation.path, _DELETED
        else:
            from_set = places.nearest(violation.path).source.startswith("--set")
            path, message = explain(violation, chart.schema, from_set)
        if path not in seen:
            seen.add(path)
            yield _problem(places, path, message, "schema")


def _chart_problems(
    chart: Chart, places: Places, wrong: Sequence[Violation], rendering: Rendering, release: str | None
) -> Iterator[Problem]:
    """Yield what the chart's `fail`s refuse, or whatever else makes Helm refuse values that the schema allows."""
    if release and (message := release_name_problem(chart, release, None if wrong else rendering)):
        yield Problem("--release", 0, 0, RELEASE_NAME, message, rule="chart")
        rendering = chart.helm.rendered(places.inputs)
    if wrong:
        rendering = chart.helm.rendered(corrected(chart, places, wrong), schema=False)
    elif rendering.error:
        yield _problem(places, (), f"Helm refuses these values: {rendering.error}", "chart")
    for path, message in findings(rendering, wrong, places):
        yield _problem(places, path, message, "chart")


def _argument_problems(values: Mapping[str, Any], places: Places) -> Iterator[Problem]:
    for (section, part), command in arguments_by_place(values).items():
        args = values.get(str(section), {})
        args = args.get(part) if isinstance(args, dict) else None
        for name, message in check_arguments(args, command, f"{section}.{part}") if isinstance(args, dict) else ():
            yield _problem(places, (section, part, name), message, "swift-argument")


def _warnings(
    places: Places, values: dict[str, Any], config: TrainConfig | None, overlays: Sequence[FilePath]
) -> Iterator[Problem]:
    advice = chain.from_iterable(rule(values, config) for rule in import_module(_ADVICE).ADVICE) if config else iter(())
    policies = chain.from_iterable(policy.findings(values) for policy in policies_beside(overlays))
    for rule, found in (("advice", advice), ("policy", policies)):
        for path, message in found:
            yield replace(_problem(places, path, message, rule), severity="warning")


def _problem(places: Places, path: Path, message: str, rule: str) -> Problem:
    """Place the problem at the deepest value on the way to `path` that the user wrote."""
    place = places.nearest(path)
    return Problem(place.source, place.line, place.column, dotted(path), message, rule=rule)


def _unread(error: str, inputs: Inputs) -> Problem:
    """Return what Helm cannot read as a problem of the file or the option that it names."""
    if found := re.match(r"failed parsing (--set\S*) data:? (.*)", error, re.DOTALL):
        form, message = found[1], found[2]
        given = [setting.text for setting in inputs.settings if setting.form == form]
        way_out = "; write KEY=VALUE" if message.endswith("has no value") else ""
        return Problem(
            " ".join([form, *given[:1]]) if len(given) == 1 else form, 0, 0, "", message + way_out, rule="set"
        )
    file = next((str(file) for file in inputs.files if error.startswith(f"failed to parse {file}: ")), "")
    found = re.search(r"(?<!\S)yaml: (?:line (\d+): )?(.*)", error, re.DOTALL)
    line, message = (int(found[1] or 0), found[2]) if found else (0, error.removeprefix(f"failed to parse {file}: "))
    return Problem(file, line, 0, "", f"Helm cannot read it: {message}", rule="yaml")
