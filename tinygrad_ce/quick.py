"""The sweep's short way, for graphs with very many small nodes: the steps of sweep.py's loop, unrolled.

elementwise     sweep on while nodes are elementwise, on floats or on arrays of one shape and dtype
accumulate      add a contribution to an adjoint
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

import numpy as np

from .conform import fits
from .node import Node, retained


def accumulate(adjoints: dict[int, Any], owned: set[int], k: int, gx: Any) -> None:
    """Add a contribution; in place where the sum so far is an array of the sweep's own."""
    total = adjoints[k]
    if type(total) is not np.ndarray:
        adjoints[k] = total + gx
    elif k in owned:
        total += gx
    else:
        adjoints[k] = total + gx
        owned.add(k)


def elementwise(
    pending: list[int], found: dict[int, Any], adjoints: dict[int, Any], owned: set[int], stale: int
) -> None:
    """Sweep on while nodes are elementwise, on floats or on arrays of one shape and dtype: no detours.

    The same steps as the loop in `reverse`, unrolled, for graphs with very many small nodes. Stops before the
    first node that is anything else, or at which Python's floats refuse what NumPy's answer (1/0).
    """
    keeping = retained or ()
    while pending:
        number = -pending[0]
        node = found[number]
        op, g = node.op, adjoints[number]
        if op is None or op.partials is None or number < stale or number in keeping:
            return
        inputs, partials, kind = node.inputs, op.partials, type(node)
        tx = ty = None
        try:
            if len(inputs) == 2:
                x, y = inputs
                a = x._data if type(x) is kind or isinstance(x, Node) else x
                b = y._data if type(y) is kind or isinstance(y, Node) else y
                if x is not a and x.requires_grad:
                    p = partials[0]
                    tx = (g if p == 1.0 else g * p) if type(p) is float else g * p(node._data, a, b)
                if y is not b and y.requires_grad:
                    p = partials[1]
                    ty = (g if p == 1.0 else g * p) if type(p) is float else g * p(node._data, a, b)
                    if type(ty) is not float and not fits(ty, b):
                        return
            elif len(inputs) == 1:
                x, p = inputs[0], partials[0]
                a = x._data
                tx = (g if p == 1.0 else g * p) if type(p) is float else g * p(node._data, a)
            else:
                return
        except (ArithmeticError, TypeError):
            return
        if tx is not None and (type(tx) is not float or type(a) is not float) and not fits(tx, a):
            return
        heappop(pending)
        del found[number], adjoints[number]
        if tx is not None:
            k = x.number
            if k in adjoints:
                accumulate(adjoints, owned, k, tx)
            else:
                adjoints[k] = tx
                found[k] = x
                heappush(pending, -k)
        if ty is not None:
            k = y.number
            if k in adjoints:
                accumulate(adjoints, owned, k, ty)
            else:
                adjoints[k] = ty
                found[k] = y
                heappush(pending, -k)
