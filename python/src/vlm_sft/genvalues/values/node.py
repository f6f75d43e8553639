"""One value of a values file together with where it was written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from vlm_sft.genvalues.values.go_scalar import Scalar

Path: TypeAlias = tuple[str | int, ...]
Plain: TypeAlias = "dict[str, Plain] | list[Plain] | Scalar"


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a values file (`line`, `column` from 1), or an option such as `--set` (line 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line`, or the option's name."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(slots=True)
class Node:
    """A mapping, a list or a scalar; `origin` is the key's place, or the item's own where it has no key."""

    value: "dict[str, Node] | list[Node] | Scalar"
    origin: Origin

    def plain(self) -> Plain:
        """Return the value without its places: nested dicts and lists, as JSON would hold it."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def get(self, path: Path) -> "Node | None":
        """Return the node at `path`, or None."""
        node: Node | None = self
        for step in path:
            node = node._child(step) if node is not None else None
        return node

    def nearest(self, path: Path) -> "Node":
        """Return the deepest node that exists on the way to `path`: the place to show for something missing."""
        node = self
        for step in path:
            child = node._child(step)
            if child is None:
                break
            node = child
        return node

    def _child(self, step: str | int) -> "Node | None":
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def leaves(self, path: Path = ()) -> "Iterator[tuple[Path, Node]]":
        """Yield every scalar, empty mapping and empty list with its path, in the order written."""
        if isinstance(self.value, dict) and self.value:
            for key, child in self.value.items():
                yield from child.leaves((*path, key))
        elif isinstance(self.value, list) and self.value:
            for index, child in enumerate(self.value):
                yield from child.leaves((*path, index))
        else:
            yield path, self


def dotted(path: Path) -> str:
    """Write a path as `--set` takes it: `gpu.tolerations[0].key`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + step.replace(".", "\\.")
    return text
