"""What a run directory contains."""
