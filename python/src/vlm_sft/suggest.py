"""`did you mean`: the known name nearest to a misspelt one."""

from collections.abc import Iterable

_NEAR = 0.7  # difflib ratio: `lerning_rate` and `learning_rate` have 0.96, `size` and `image` 0.44


def closest(name: str, known: Iterable[str], near: float = _NEAR) -> str | None:
    """Return the known name nearest to `name`, ignoring case, `_` and `-`; None when none is near."""
    from difflib import get_close_matches  # needed only for a mistake, and slow to import

    folded = {_folded(candidate): candidate for candidate in known}
    matches = get_close_matches(_folded(name), list(folded), n=1, cutoff=near)
    return folded[matches[0]] if matches else None


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()
