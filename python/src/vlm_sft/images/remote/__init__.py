"""Images out of public archives, by range requests."""
