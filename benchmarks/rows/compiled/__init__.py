"""Compiled functions beside the same written by hand with `out=` and buffers, and beside other libraries."""

from . import chain, gpt, hvp, lenet, loss, mlp

ROWS = (*mlp.ROWS, *lenet.ROWS, *gpt.ROWS, *loss.ROWS, *chain.ROWS, *hvp.ROWS)

__all__ = ["ROWS"]
