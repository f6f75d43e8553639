"""The nodes of a run: the place of this node, and the wait for the others."""
