"""The nodes of a run: which one this is, and the wait for the others."""
