r"""A table of public archives: which of them contain the image of a path, and under which member name.

A table is YAML; datasets/fire/archives.yaml explains every key:

    archives: {val: {url: "https://example.org/val.zip", confidence: high}}
    rules: [{path: 'coco/val2014/(\d{12}\.jpg)', members: ['COCO_val2014_\1'], archives: [val]}]
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlm_sft.errors import UserError

CONFIDENCES = ("high", "medium", "low")
NO_RULE = "no archive is known for such a path"


@dataclass(frozen=True, slots=True)
class Places:
    """Where one image may be: each archive may contain it under each of the member names, best ones first."""

    archives: tuple[str, ...]  # URLs; empty: no public archive can be read
    members: tuple[str, ...]  # endings of the member's name
    by_hand: str = ""  # where the user can get it


@dataclass(frozen=True)
class Rule:
    """One rule of the table: a pattern over the whole path."""

    path: re.Pattern[str]
    members: tuple[str, ...]  # replacement templates of `path`
    archives: tuple[str, ...]
    by_hand: str


class ArchiveTable:
    """The rules in order; the first that matches applies."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)

    def places(self, path: str) -> Places:
        """Return where the image of `path` may be; no archives if no rule matches."""
        for rule in self.rules:
            if match := rule.path.fullmatch(path):
                return Places(rule.archives, tuple(match.expand(member) for member in rule.members), rule.by_hand)
        return Places((), (), NO_RULE)


def load_table(file: Path) -> ArchiveTable:
    """Read a table.

    Raises:
        UserError: the file is not such a table; reports all problems.
    """
    try:
        document = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError as error:
        raise UserError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not all(isinstance(document.get(key), kind) for key, kind in KINDS.items()):
        raise UserError(f"{file}: need a mapping `archives` and a list `rules`, as in archives.yaml")
    problems: list[str] = []
    urls = {name: _url(f"archives.{name}", entry, problems) for name, entry in document["archives"].items()}
    rules = [_rule(f"rules[{n}]", entry, urls, problems) for n, entry in enumerate(document["rules"])]
    if problems:
        raise UserError("\n".join(f"{file}: {problem}" for problem in problems))
    return ArchiveTable(rule for rule in rules if rule)


KINDS = {"archives": dict, "rules": list}


def _url(key: str, entry: Any, problems: list[str]) -> str:  # noqa: ANN401  any YAML value
    if not isinstance(entry, dict) or entry.get("confidence") not in CONFIDENCES:
        problems.append(f"{key}: need url and confidence, one of {', '.join(CONFIDENCES)}; got {entry!r}")
        return ""
    url = entry.get("url")
    if not isinstance(url, str) or not re.match(r"https?://|hf://(datasets/)?[^/]+/[^/]+/.", url):
        problems.append(f"{key}.url: {url!r}; need https://... or hf://[datasets/]ORG/NAME[@REVISION]/FILE")
        return ""
    return url


def _rule(key: str, entry: Any, urls: dict[str, str], problems: list[str]) -> Rule | None:  # noqa: ANN401  as above
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        problems.append(f"{key}: need a mapping with path; got {entry!r}")
        return None
    before = len(problems)
    members, archives = entry.get("members", []), entry.get("archives", [])
    if unknown := set(entry) - {"path", "members", "archives", "by_hand"}:
        problems.append(f"{key}: unknown keys {', '.join(sorted(map(str, unknown)))}")
    if missing := [str(name) for name in archives if name not in urls]:
        problems.append(f"{key}.archives: {', '.join(missing)} is not among archives")
    if bool(members) != bool(archives) or not (members or entry.get("by_hand")):
        problems.append(f"{key}: need members and archives, or by_hand")
    pattern = _pattern(key, entry["path"], members, problems)
    if pattern is None or len(problems) > before:
        return None
    return Rule(pattern, tuple(members), tuple(urls[name] for name in archives), str(entry.get("by_hand", "")))


def _pattern(key: str, text: str, members: list[str], problems: list[str]) -> re.Pattern[str] | None:
    try:
        pattern = re.compile(text)
    except re.error as error:
        problems.append(f"{key}.path: {text!r}: not a regular expression: {error}")
        return None
    try:
        for member in members:
            re.sub(text + "|", member, "")  # matches the empty text, and raises if the replacement is wrong
    except (re.error, TypeError) as error:
        problems.append(f"{key}.members: not a replacement for path: {error}")
    return pattern
