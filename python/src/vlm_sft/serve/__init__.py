"""Serves a model with OpenAI's API."""
