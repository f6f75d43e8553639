"""Batch, memory, FLOPs and hours of a run."""
