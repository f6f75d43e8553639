"""ms-swift's arguments: names, types and choices, for `genvalues` and for the preflight of a pod."""
