"""A small dataset, photographs and a tiny model for trying everything; `make smoke` uses them."""
