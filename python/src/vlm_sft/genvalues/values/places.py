"""Where each value was written: a file with line and column, or an option such as `--set`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TypeAlias

import yaml

from vlm_sft.genvalues.values.helm import Inputs
from vlm_sft.genvalues.values.problem import Problem

Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 100
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_FLOAT = "tag:yaml.org,2002:float"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG_WITH_COMMA = re.compile(r"!!?[^\s,\[\]{}]*,")
_NO_NUMBER = re.compile(r"[-+]?\.(nan|inf)", re.IGNORECASE)
_ESCAPED = re.compile(r"([.,=\[\]\\])")


@dataclass(frozen=True, order=True)
class Origin:
    """A place in a values file (`line`, `column` from 1), or an option such as `--set` (line 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line`, or the option."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class ValuesFile:
    """The places in one file; `root` is the mapping that it holds, None for an empty file."""

    name: str
    root: yaml.MappingNode | None

    def find(self, path: Path) -> tuple[Origin, yaml.Node] | None:
        """Return the place of the value at `path` (its key's, or the list item's own) and the value."""
        key: yaml.Node | None = self.root
        value: yaml.Node | None = self.root
        for step in path:
            key, value = _step(value, step)
        if key is None or value is None:
            return None
        return Origin(self.name, key.start_mark.line + 1, key.start_mark.column + 1), value


@dataclass(frozen=True)
class Places:
    """The files and options of one experiment, and the chart's defaults below them."""

    files: Sequence[ValuesFile]  # in their order
    inputs: Inputs

    def written(self, path: Path) -> Origin | None:
        """Return where the user wrote the value at `path`; None for a default of the chart."""
        for setting in reversed(self.inputs.settings):
            if sets(setting.text, path):
                return Origin(f"{setting.form} {setting.text}")
        found = (file.find(path) for file in reversed(self.files))
        return next((place[0] for place in found if place), None)

    def nearest(self, path: Path) -> Origin:
        """Return the deepest place on the way to `path` that the user wrote: where something missing is reported."""
        prefixes = (path[:length] for length in range(len(path), 0, -1))
        places = (self.written(prefix) for prefix in prefixes)
        return next((place for place in places if place), Origin(self.files[-1].name if self.files else "", 1, 1))

    def is_null(self, path: Path) -> bool:
        """Return whether the user wrote null at `path`, which deletes the chart's default."""
        if any(sets(setting.text, path) for setting in self.inputs.settings):
            return True
        found = next((place for file in reversed(self.files) if (place := file.find(path))), None)
        return found is not None and found[1].tag == _NULL


def dotted(path: Path) -> str:
    """Write a path as `--set` takes it: `gpu.tolerations[0].key`, with a backslash before a dot inside a key."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + _ESCAPED.sub(r"\\\1", step)
    return text


def sets(text: str, path: Path) -> bool:
    """Return whether an option (`a.b=1,c=2`) sets the value at `path`, a value inside it, or a mapping around it."""
    whole = re.escape(dotted(path)) + r"[=.\[]"
    parents = (re.escape(dotted(path[:length])) + "=" for length in range(1, len(path)))
    return any(re.search(rf"(?:^|,)\s*{key}", text) for key in (whole, *parents))


def read_places(file: FilePath) -> tuple[ValuesFile, list[Problem]]:
    """Read the places in a values file, and report what no Helm reads, or Helm 3 and Helm 4 read differently.

    Repeated keys are warnings; the problems that are errors make the file unusable.
    """
    name, rule, line, column = str(file), "yaml", 0, 0
    try:
        if file.exists() and not file.is_file() and not file.is_dir():
            raise ValueError("is a pipe or a device; give a regular file")
        text = file.read_bytes().decode("utf-8-sig")
        roots = _composed(text)
        if not any(root.tag != _NULL for root in roots[1:]):  # nothing follows the first document
            roots = [root for root in roots[:1] if root.tag != _NULL]
        root = roots[0] if roots and isinstance(roots[0], yaml.MappingNode) else None
        return ValuesFile(name, root), list(_problems(name, text, roots))
    except UnicodeDecodeError:
        message = "is not UTF-8; save it as UTF-8"
    except (OSError, ValueError) as error:
        message, rule = _unreadable(error), "file"
    except yaml.MarkedYAMLError as error:
        line, column, message = _syntax(text, error)
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
    return ValuesFile(name, None), [Problem(name, line, column, "", message, rule=rule)]


def _composed(text: str) -> list[yaml.Node]:
    """Return the documents. libyaml composes recursively and ends the process at its limit: depth is counted first."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels")
    return list(yaml.compose_all(text, Loader=_LOADER))


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Return the key (or the item) and the value that `step` leads to; the last of repeated keys counts."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    if not isinstance(node, yaml.MappingNode):
        return None, None
    for key, value in reversed(node.value):
        if isinstance(key, yaml.ScalarNode) and key.value == step and key.tag != _MERGE:
            return key, value
    merges = (value for key, value in node.value if key.tag == _MERGE)
    merged = (one for value in merges for one in (value.value if isinstance(value, yaml.SequenceNode) else [value]))
    return next((found for one in merged if (found := _step(one, step))[0] is not None), (None, None))


def _unreadable(error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return "is a directory; give a values file"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be read: {reason.lower()}"


def _syntax(text: str, error: yaml.MarkedYAMLError) -> tuple[int, int, str]:
    mark, message = error.problem_mark, error.problem or "is not YAML"
    if mark is None:
        return 0, 0, message
    at = text[mark.index :]
    if at.startswith("\t"):
        message = "a tab cannot indent; use blanks"
    elif "undefined alias" in message:
        message = f"unknown anchor {re.split(r'[^A-Za-z0-9_-]', at.lstrip('*'))[0]!r} referenced"
    elif error.context:
        message = f"{error.context}, {message}"
    return mark.line + 1, mark.column + 1, message


def _problems(name: str, text: str, roots: list[yaml.Node]) -> Iterator[Problem]:
    if len(roots) > 1:
        line = roots[1].start_mark.line  # its `---` is the line above
        message = "holds several documents: Helm 3 reads the first, Helm 4 merges all; keep one"
        yield Problem(name, line, 1, "", message, rule="yaml")
    for root in roots[:1] if len(roots) < 2 else ():
        if not isinstance(root, yaml.MappingNode):
            kind = "a list" if isinstance(root, yaml.SequenceNode) else repr(root.value)
            yield _problem(name, root, f"holds {kind}, need a mapping of `key: value`")
        for node in _nodes(root, set()):
            if isinstance(node, yaml.MappingNode):
                yield from _keys(name, node)
            elif isinstance(node, yaml.ScalarNode) and (message := _scalar(node, text)):
                yield _problem(name, node, message)


def _problem(name: str, node: yaml.Node, message: str) -> Problem:
    return Problem(name, node.start_mark.line + 1, node.start_mark.column + 1, "", message, rule="yaml")


def _scalar(node: yaml.ScalarNode, text: str) -> str:
    """Return why a scalar is refused, or read differently by Helm 3 and Helm 4; empty for all others."""
    if node.tag == _FLOAT and not node.style and _NO_NUMBER.fullmatch(node.value):
        return f"{node.value} is no number that JSON can hold, so Helm refuses it"
    if node.style in ("|", ">") and node.end_mark.index == len(text) and not text.endswith("\n"):
        return "Helm 3 and Helm 4 read the last line differently; end the file with a newline"
    tag = _TAG_WITH_COMMA.match(text, node.start_mark.index)
    return f"put a blank after the tag in {tag[0]!r}" if tag else ""


def _nodes(node: yaml.Node, seen: set[int]) -> Iterator[yaml.Node]:
    """Yield each node once: an alias is the very node that it names."""
    if id(node) in seen:
        return
    seen.add(id(node))
    yield node
    children = [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value
    for child in children if isinstance(node, yaml.CollectionNode) else ():
        yield from _nodes(child, seen)


def _keys(name: str, node: yaml.MappingNode) -> Iterator[Problem]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag == _NULL:
            kind = "null" if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
            yield Problem(name, line, column, "", f"a key cannot be {kind}; quote it", rule="yaml")
        elif key.value in lines and key.tag != _MERGE:
            message = f"stands here and in line {lines[key.value]}; Helm takes the last and drops the rest, keep one"
            yield Problem(name, line, column, key.value, message, "warning", "repeated-key")
        else:
            lines[key.value] = line
