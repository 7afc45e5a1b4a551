"""The command line: the group and its exit codes, and one module for each command."""
