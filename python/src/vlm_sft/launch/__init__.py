"""How ms-swift is started."""
