"""`did you mean`: the known name nearest to a misspelt one, and values in the curly quotes of a word processor."""

from collections.abc import Iterable

_NEAR = 0.7  # difflib ratio: `lerning_rate` and `learning_rate` have 0.96, `size` and `image` 0.44
_CURLY = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"  # double and single ones, low ones, guillemets
CURLY = "; curly quotes are part of the value: remove them"


def closest(name: str, known: Iterable[str], near: float = _NEAR) -> str | None:
    """Return the known name nearest to `name`, ignoring case, `_` and `-`; None when none is near."""
    from difflib import get_close_matches  # needed only for a mistake, and slow to import

    folded = {_folded(candidate): candidate for candidate in known}
    matches = get_close_matches(_folded(name), list(folded), n=1, cutoff=near)
    return folded[matches[0]] if matches else None


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def without_curly_quotes(value: object) -> str | None:
    """Return a text without the curly quotes around it, None for every other value."""
    inner = value.strip(_CURLY) if isinstance(value, str) else None
    return inner if inner != value else None
