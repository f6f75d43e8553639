"""Image paths as datasets write them -> image files on disk."""
