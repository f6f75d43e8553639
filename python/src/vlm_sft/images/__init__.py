"""Image paths as data sets write them -> image files on disk."""
