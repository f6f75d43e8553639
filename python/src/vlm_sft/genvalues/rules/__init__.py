"""Rules that values break, and the messages about them."""
