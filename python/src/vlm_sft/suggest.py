"""`did you mean`: the known name closest to a misspelt one."""

from collections.abc import Iterable, Iterator

from vlm_sft.genvalues.rules.json_schema import Schema, resolved
from vlm_sft.genvalues.values.node import Path

_NEAR = 0.7  # difflib ratio: `lerning_rate` and `learning_rate` have 0.96, `size` and `image` 0.44
_SAME = 0.9  # for a name that belongs elsewhere in the file


def closest(name: str, known: Iterable[str], near: float = _NEAR) -> str | None:
    """Return the known name closest to `name`, ignoring case and underscores; None if none is close."""
    from difflib import get_close_matches  # slow to import, and only needed after an error

    folded = {_folded(candidate): candidate for candidate in known}
    matches = get_close_matches(_folded(name), list(folded), n=1, cutoff=near)
    return folded[matches[0]] if matches else None


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def schema_paths(root: Schema, key: str) -> list[Path]:
    """Return the places in the schema of keys similar to `key`, shortest paths first."""
    paths = list(_walk(root, root, ()))
    name = closest(key, {str(path[-1]) for path in paths}, _SAME)
    return sorted((path for path in paths if path[-1] == name), key=lambda path: (len(path), str(path)))


def _walk(schema: Schema, root: Schema, path: Path) -> Iterator[Path]:
    schema = resolved(schema, root)
    if not isinstance(schema, dict) or len(path) > 8:
        return
    for key, child in schema.get("properties", {}).items():
        yield (*path, key)
        yield from _walk(child, root, (*path, key))
