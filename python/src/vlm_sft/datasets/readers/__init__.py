"""Files -> rows."""
