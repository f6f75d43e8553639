"""FIRE: rows, texts, where its images lie."""
