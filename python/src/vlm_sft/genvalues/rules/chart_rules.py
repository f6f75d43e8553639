"""What the chart's own `fail`s refuse: Helm renders, and each line of its message begins with its key.

Helm stops at the schema. So that the chart's rules are reported in the same run, Helm renders once more without the
schema and with each wrong value replaced: by what was probably meant, or by the chart's default.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from vlm_sft.genvalues.rules.schema import Violation
from vlm_sft.genvalues.values.chart import Chart
from vlm_sft.genvalues.values.helm import Inputs, Rendering, Setting
from vlm_sft.genvalues.values.places import Path, Places, dotted
from vlm_sft.suggest import closest

Finding = tuple[Path, str]
RELEASE_NAME = "release name"  # the key of messages about `helm install NAME`


def findings(rendering: Rendering, wrong: Sequence[Violation] = (), places: Places | None = None) -> Iterator[Finding]:
    """Yield path and message of each `fail` line, except those that follow from a wrong value."""
    explained = [place for violation in wrong for place in (violation.path, meant(violation, places)) if place]
    names = [dotted(place) for place in explained if len(place) > 1]  # one word can stand in any message
    for line in rendering.failures:
        key, _, message = line.partition(": ")
        path: Path = (key,) if key == RELEASE_NAME else tuple(key.split("."))
        if not any(_overlap(path, place) for place in explained) and not any(name in message.split() for name in names):
            yield path, message


def release_name_problem(chart: Chart, name: str, rendering: Rendering | None = None) -> str:
    """Return what is wrong with a release name, empty where nothing is; `rendering` is one under that name."""
    rendering = rendering or chart.helm.rendered(Inputs(()), name, schema=False)
    if "invalid release name" in rendering.error:
        need = "need lower-case letters, digits and -, a letter first, at most 40 characters"
        return f"{name}, {need}; choose another"
    return next((message for path, message in findings(rendering) if path == (RELEASE_NAME,)), "")


def corrected(chart: Chart, places: Places, wrong: Sequence[Violation]) -> Inputs:
    """Return the inputs with options that replace each wrong value."""
    settings = []
    for violation in wrong:
        place = meant(violation, places)
        if violation.keyword == "additionalProperties":
            settings.append(_setting(violation.path, None))
        if place is not None and place != violation.path:  # a misspelt key
            settings.append(_setting(place, violation.got))
        elif place is not None:  # a misspelt choice
            settings.append(_setting(place, closest(str(violation.got), _choices(violation))))
        elif violation.keyword != "additionalProperties" and not any(isinstance(step, int) for step in violation.path):
            is_quantity = violation.path[-2:-1] in (("requests",), ("limits",))  # compared with its neighbour only
            default = None if is_quantity else _default(chart.defaults, violation.path)
            settings.append(_setting(violation.path, default))
    return Inputs(places.inputs.files, (*places.inputs.settings, *settings))


def meant(violation: Violation, places: Places | None) -> Path | None:
    """Return the path that the value was probably meant for: of the key it misspells, or its own for a choice.

    A key that the user has written too is not the one that was misspelt.
    """
    *parents, key = violation.path or ("",)
    if violation.keyword == "additionalProperties":
        guess = closest(str(key), violation.schema.get("properties", {}))
        is_free = guess and not (places and places.written((*parents, guess)))
        return (*parents, guess) if guess and is_free else None
    is_choice = violation.keyword == "enum" and closest(str(violation.got), _choices(violation))
    return violation.path if is_choice else None


def _choices(violation: Violation) -> list[str]:
    return [choice for choice in violation.expected if isinstance(choice, str) and choice]


def _setting(path: Path, value: Any) -> Setting:  # noqa: ANN401 - a JSON value may be anything
    return Setting("--set-json", f"{dotted(path)}={json.dumps(value)}")


def _default(values: Any, path: Path) -> Any:  # noqa: ANN401 - as above
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values


def _overlap(one: Path, other: Path) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]
