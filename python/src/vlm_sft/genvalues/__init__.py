"""`genvalues`: merge values files with Helm, check them and size the run before any GPU is requested. No torch here."""
