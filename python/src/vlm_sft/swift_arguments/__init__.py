"""ms-swift's arguments: names, types and choices, for `genvalues` and for the preflight in a pod."""
