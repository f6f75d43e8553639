"""A finished run as one Hugging Face folder."""
