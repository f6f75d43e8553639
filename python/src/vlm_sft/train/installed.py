"""Whether a package is installed in this image."""

import importlib.util


def importable(module: str) -> bool:
    """Return whether a module is installed, importing no more than its parent packages."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
