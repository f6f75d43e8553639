"""Dataset files -> rows."""
