"""Warnings about values that are valid and rarely intended."""
