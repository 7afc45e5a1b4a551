"""Texts for people in each language, by key: `en`, `pl`, and the catalogue that finds them."""
