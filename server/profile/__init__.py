"""The profile: everything that the server knows of the API that it serves.

`model` has the frozen values, `files` the documents with their positions, `reader` makes the values
from a directory and reports what is wrong with it.
"""
