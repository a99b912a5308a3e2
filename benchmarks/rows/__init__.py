"""Every row, in the order of the table."""

from . import depth, loss, scalar, startup, tensor, training

PEERS = ("micrograd", "torch")
ROWS = (*scalar.ROWS, *tensor.ROWS, *loss.ROWS, *training.ROWS, *depth.ROWS, *startup.ROWS)

__all__ = ["PEERS", "ROWS"]
