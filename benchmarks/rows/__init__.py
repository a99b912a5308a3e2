"""Every row, in the order of the table; and those against another commit, which are measured only when asked for."""

from . import before, bounds, compiled, depth, loss, scalar, startup, tensor, training

PEERS = ("micrograd", "torch")
ROWS = (
    *scalar.ROWS,
    *tensor.ROWS,
    *loss.ROWS,
    *training.ROWS,
    *compiled.ROWS,
    *bounds.ROWS,
    *depth.ROWS,
    *startup.ROWS,
)
AGAINST = before.ROWS

__all__ = ["AGAINST", "PEERS", "ROWS"]
