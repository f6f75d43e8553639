"""A cluster's policy: rules as data beside its overlay; values/clusters/policies/nautilus.yaml explains the format."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlm_sft.errors import UserError

Key = tuple[str, ...]
Finding = tuple[Key, str]
_CHECKS = {"atMost", "oneOf", "matches", "never", "lookup"}
_KEYS = {"key", "when", "say", "source"}
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_UNITS |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTP", start=1)}


@dataclass(frozen=True)
class Policy:
    """The rules of one cluster."""

    cluster: str
    rules: Sequence[Mapping[str, Any]]

    def findings(self, values: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield path and message of each rule that merged values break, with the rule's source."""
        idle = _idle_sections(values)
        for rule in self.rules:
            conditions = rule.get("when", {}).items()
            if not all(re.search(regex, _text(_at(values, _split(key)))) for key, regex in conditions):
                continue
            for path in _matching(values, _split(rule["key"])):
                if path[0] not in idle and (wrong := _wrong(rule, path, values)):
                    yield path, f"{wrong}; {self.cluster}: {rule['say']} ({rule['source']})"


def policies_beside(overlays: Sequence[Path]) -> list[Policy]:
    """Return the policies of those overlays that have one: policies/NAME.yaml beside NAME.yaml."""
    files = (overlay.parent / "policies" / overlay.name for overlay in overlays)
    return [load_policy(file) for file in files if file.is_file()]


def load_policy(file: Path) -> Policy:
    """Read a policy.

    Raises:
        UserError: it is no YAML, or a rule has not one check, or a key that no rule has.
    """
    try:
        content: Any = yaml.safe_load(file.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())}") from None
    for number, rule in enumerate(content.get("rules", []), start=1):
        unknown = set(rule) - _CHECKS - _KEYS
        if unknown or len(set(rule) & _CHECKS) != 1 or not _KEYS - {"when"} <= set(rule):
            raise UserError(f"{file}: rule {number} needs key, say, source and one of {', '.join(sorted(_CHECKS))}")
    return Policy(content["cluster"], content["rules"])


def _wrong(rule: Mapping[str, Any], path: Key, values: Mapping[str, Any]) -> str:
    """Return what is wrong with the value at `path`, or nothing."""
    value = _at(values, path)
    shown = value if _text(value) else "empty"
    if "atMost" in rule:
        return _too_much(rule, path, value, values)
    if "oneOf" in rule:
        return "" if value in rule["oneOf"] else f"got {shown}, need one of {', '.join(rule['oneOf'])}"
    if "matches" in rule:
        return "" if re.search(rule["matches"], _text(value)) else f"got {shown}"
    if "never" in rule:
        found = next((text for text in _texts(value) if re.search(rule["never"], text)), None)
        return f"got {found}" if found is not None else ""
    by = _text(_at(values, _split(rule["lookup"]["by"])))
    need = next((name for regex, name in rule["lookup"]["table"].items() if re.search(regex, by)), value)
    return "" if value == need else f"got {shown}, but {by} needs {need}"


def _too_much(rule: Mapping[str, Any], path: Key, value: Any, values: Mapping[str, Any]) -> str:  # noqa: ANN401
    bound, why = rule["atMost"], ""
    if isinstance(bound, dict):
        names = iter(name for name, step in zip(path, _split(rule["key"]), strict=True) if step == "*")
        of = tuple(next(names) if step == "*" else step for step in _split(bound["of"]))
        base = re.fullmatch(r"([0-9.]+)(.*)", _text(_at(values, of)))
        if base is None:
            return ""  # not given, or no quantity
        why = f" ({bound['times']:g} x {'.'.join(of)})"
        bound = f"{round(float(base[1]) * bound['times'], 6):g}{base[2]}"
    return f"{_text(value)} is more than {bound}{why}" if _quantity(value) > _quantity(bound) * (1 + 1e-9) else ""


def _quantity(value: str | float) -> float:
    """Return a Kubernetes quantity as a number (64Gi, 500m, 8: bytes or cores); 0 for what is none."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(value))
    return float(match[1]) * _UNITS.get(match[2], 0.0) if match else 0.0


def _idle_sections(values: Mapping[str, Any]) -> set[str]:
    """Return the sections that are switched off; gpu counts as one when no pod requests GPUs."""
    idle = {name for name, section in values.items() if isinstance(section, dict) and section.get("enabled") is False}
    training = "train" not in idle and values["train"]["accelerator"] == "gpu"
    notebook = "jupyter" not in idle and values["jupyter"]["gpus"] > 0
    return idle if training or notebook else {*idle, "gpu"}


def _split(dotted: str) -> Key:
    r"""Split a path at its dots, as --set does: gpu.nodeSelector.nvidia\.com/gpu\.product."""
    return tuple(step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", dotted))


def _matching(values: Any, pattern: Key) -> Iterator[Key]:  # noqa: ANN401 - a YAML value may be anything
    """Yield the paths that a pattern names; one without stars is named even where it is missing."""
    if "*" not in pattern:
        yield pattern
        return
    star = pattern.index("*")
    before = _at(values, pattern[:star])
    for name in before if isinstance(before, dict) else ():
        rest = pattern[star + 1 :]
        for path in _matching(before[name], rest) if rest else [()]:
            if _at(before[name], path) is not None:
                yield (*pattern[:star], name, *path)


def _at(values: Any, path: Key) -> Any:  # noqa: ANN401
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values


def _text(value: Any) -> str:  # noqa: ANN401
    """Return a scalar as text, nothing for null."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield every text in a value."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if children is None:
        yield _text(value)
    else:
        for child in children:
            yield from _texts(child)
