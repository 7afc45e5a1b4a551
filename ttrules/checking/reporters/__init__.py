"""The formats of a report: one module each, and `base` for what they share."""
