"""A small data set, photographs and a tiny model to try everything on: what `make smoke` runs."""
