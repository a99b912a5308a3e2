"""Other libraries at the work of the compiled rows, a module for each kind of work.

Each has a function `of`, which returns the competitors of one row. What they share is in common.py.
"""
