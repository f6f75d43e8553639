"""`genvalues`: values files read, merged and checked as Helm does it, before a GPU is asked for. No torch here."""
