"""Texts for API clients in each language, by key."""
