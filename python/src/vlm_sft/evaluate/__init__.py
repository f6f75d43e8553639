"""Answers of a trained model, and their scores."""
