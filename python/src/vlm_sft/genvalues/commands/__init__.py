"""The click commands of `genvalues`."""
