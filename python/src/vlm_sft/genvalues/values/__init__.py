"""Values as Helm merges them, and the place of each in its file."""
