"""One experiment: its values files and options merged over the chart's defaults, and everything wrong with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path as FilePath

from vlm_sft.genvalues.advice.images import image_advice
from vlm_sft.genvalues.advice.intervals import interval_advice
from vlm_sft.genvalues.advice.memory import memory_advice
from vlm_sft.genvalues.advice.training import advice
from vlm_sft.genvalues.rules.chart_rules import chart_findings
from vlm_sft.genvalues.rules.explain import explain
from vlm_sft.genvalues.rules.json_schema import violations
from vlm_sft.genvalues.rules.policy import Policy, policies_beside
from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.rules.repair import explained, repaired
from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.helm_yaml import ValuesFile, read_values_file
from vlm_sft.genvalues.values.merge import merge_defaults, merge_files
from vlm_sft.genvalues.values.node import Node, Origin, Path, dotted
from vlm_sft.genvalues.values.set_option import Form, SetError, apply_set
from vlm_sft.swift_arguments.check import Command, check_arguments

SUFFIXES = (".yaml", ".yml")
_ADVICE = (advice, interval_advice, image_advice, memory_advice)
_GONE = "null deletes the chart's default, which its templates need; remove the line, or give a value"
CLUSTERS = "clusters"  # holds overlays, which are no experiments of their own


@dataclass(frozen=True)
class Setting:
    """One `--set`-like option."""

    form: Form
    text: str


@dataclass(frozen=True)
class Experiment:
    """What Helm would render with: `values` is None when a file or an option cannot be read at all."""

    path: str
    values: Node | None
    problems: list[Problem] = field(default_factory=list)


def find_experiments(paths: Sequence[FilePath]) -> list[FilePath]:
    """Return the files given and those below the directories given, without the cluster overlays."""
    found: list[FilePath] = []
    for path in paths:
        if path.is_dir():
            below = (file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            inner = ((file, (path.name, *file.relative_to(path).parts)) for file in below)
            found += sorted(file for file, parts in inner if CLUSTERS not in parts and not parts[-1].startswith("."))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def load_experiment(
    chart: Chart, path: FilePath, overlays: Sequence[FilePath], settings: Sequence[Setting]
) -> Experiment:
    """Read, merge and check one experiment; never stops at the first problem."""
    problems: list[Problem] = []
    user = load_values([*overlays, path], settings, problems)
    if isinstance(user, list):
        return Experiment(str(path), None, sorted({*problems, *user}))
    values, warnings = merge_defaults(chart.defaults, user)
    errors = list(check_schema(chart, values, user))
    for place, command in arguments_by_place(values).items():
        errors += _argument_problems(values.get(place), place, command)
    errors += check_chart_rules(chart, values, policies_beside(overlays))
    wrong = {error.key for error in errors}
    problems += errors
    problems += (warning for warning in warnings if warning.key not in wrong)
    return Experiment(str(path), values, sorted(set(problems)))


def arguments_by_place(values: Node) -> dict[Path, Command]:
    """Return where ms-swift's arguments stand, and the command whose they are."""
    backend = values.get(("train", "backend"))
    train: Command = "megatron" if backend is not None and backend.value == "megatron" else "sft"
    return {("train", "args"): train, ("evaluate", "args"): "infer"}


def _argument_problems(args: Node | None, place: Path, command: Command) -> Iterator[Problem]:
    given = args.value if args is not None and isinstance(args.value, dict) else {}
    plain = {name: node.plain() for name, node in given.items()}
    for name, message in check_arguments(plain, command, dotted(place)):
        at = given[name].origin
        yield Problem(at.source, at.line, at.column, dotted((*place, name)), message, rule="swift-argument")


def load_values(
    files: Sequence[FilePath], settings: Sequence[Setting], warnings: list[Problem] | None = None
) -> Node | list[Problem]:
    """Return the files merged in their order with the options over them, or the errors that make it impossible."""
    user = Node({}, Origin(str(files[-1]) if files else "", 1, 1))
    errors: list[Problem] = []
    for file in files:
        read = read_values_file(file)
        if isinstance(read, Problem):
            errors.append(read)
        else:
            if warnings is not None:
                warnings += _repeated_keys(read)
            user = merge_files(user, read.root)
    if settings:
        user = _copy(user)
        errors += _apply(user, settings)
    return errors or user


def check_schema(chart: Chart, values: Node, user: Node) -> Iterator[Problem]:
    """Yield one problem per wrong place of the merged values; the nulls are in `user`, which lies over the defaults."""
    seen = set()
    for violation in violations(chart.schema, values.plain()):
        gone = user.get(violation.path) if violation.keyword == "required" else None
        place = values if gone is None else user
        from_set = place.nearest(violation.path).origin.source.startswith("--set")
        path, message = explain(violation, chart.schema, from_set) if gone is None else (violation.path, _GONE)
        if path in seen:
            continue
        seen.add(path)
        yield _problem(chart, place, path, message, "schema")


def check_chart_rules(chart: Chart, values: Node, policies: Sequence[Policy] = ()) -> Iterator[Problem]:
    """Yield what the chart's own `fail`s would say, and warnings; only for a chart that has the keys they are about."""
    wrong = list(violations(chart.schema, values.plain()))
    plain = repaired(values, chart.defaults, wrong, chart.schema)
    if not isinstance(plain, dict) or not chart.has_rules:
        return
    for path, message in chart_findings(plain):
        if not explained(path, wrong):
            yield _problem(chart, values, path, message, "chart")
    if wrong:
        return
    for rule, findings in (
        ("advice", chain.from_iterable(rule(plain) for rule in _ADVICE)),
        ("policy", chain.from_iterable(policy.findings(plain) for policy in policies)),
    ):
        for path, message in findings:
            yield replace(_problem(chart, values, path, message, rule), severity="warning")


def _problem(chart: Chart, values: Node, path: Path, message: str, rule: str) -> Problem:
    """Point at the deepest node on the way to `path` that the user wrote: nobody can mend the chart's defaults."""
    place = values.origin
    for length in range(1, len(path) + 1):
        node = values.get(path[:length])
        if node is not None and node.origin.source != chart.defaults.origin.source:
            place = node.origin
    return Problem(place.source, place.line, place.column, dotted(path), message, rule=rule)


def _repeated_keys(file: ValuesFile) -> Iterator[Problem]:
    for key in file.repeated:
        message = f"stands here and in line {key.first_line}; Helm takes the last and drops the rest, keep one"
        yield Problem(file.path, key.line, key.column, key.key, message, "warning", "repeated-key")


def _apply(user: Node, settings: Sequence[Setting]) -> Iterator[Problem]:
    """Apply the options in Helm's order: --set-json, --set, --set-string."""
    order: list[Form] = ["--set-json", "--set", "--set-string"]
    for setting in sorted(settings, key=lambda setting: order.index(setting.form)):
        try:
            apply_set(user, setting.form, setting.text)
        except SetError as error:
            yield Problem(f"{setting.form} {setting.text}", 0, 0, "", str(error), rule="set")


def _copy(node: Node) -> Node:
    """Copy the tree: options write into it, and overlays are shared between experiments."""
    if isinstance(node.value, dict):
        return Node({key: _copy(child) for key, child in node.value.items()}, node.origin)
    if isinstance(node.value, list):
        return Node([_copy(child) for child in node.value], node.origin)
    return node
