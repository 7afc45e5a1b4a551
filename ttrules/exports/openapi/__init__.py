"""The OpenAPI document with the rules in it, and how a document is read."""
