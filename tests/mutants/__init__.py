"""Planted bugs, and the hunt for them: `python -m tests.mutants`."""
