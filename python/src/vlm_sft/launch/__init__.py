"""How ms-swift is started: its command line, and the process that supervises it."""
