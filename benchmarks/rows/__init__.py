"""Every row, in the order of the page."""

from . import bounds, capture, compiled, depth, loss, memory, scalar, startup, tensor, training

PEERS = ("micrograd", "torch", "jax", "mygrad", "autograd", "numba")
GROUPS = {
    "Compiled": compiled.ROWS,
    "Eager: losses and training steps": (*loss.ROWS, *training.ROWS),
    "Eager: a node": (*scalar.ROWS, *tensor.ROWS, *depth.ROWS),
    "Memory of a step": memory.ROWS,
    "To get started": (*capture.ROWS, *startup.ROWS),
    "What the engine's services cost": bounds.ROWS,
}
ROWS = tuple(row for rows in GROUPS.values() for row in rows)

__all__ = ["GROUPS", "PEERS", "ROWS"]
