"""A model behind OpenAI's API."""
