"""The sweep's short way, for graphs with very many small nodes: the steps of sweep.py's loop, unrolled.

elementwise     sweep on while nodes are elementwise, on floats or on arrays of one shape and dtype
youngest        the node to be visited next
accumulate      add a contribution to an adjoint
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .conform import fits
from .forms import ONE, first, second
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


def youngest(found: dict[int, Any], number: int) -> int:
    """The largest key of `found`, where all lie below `number`.

    Creation numbers are nearly dense in most graphs, so counting down soon comes to it. Where it does not within as
    many steps as there are keys, to look at all of them costs no more than the counting did.
    """
    for candidate in range(number - 1, number - 2 - len(found), -1):
        if candidate in found:
            return candidate
    return max(found)


def elementwise(
    number: int,
    found: dict[int, Any],
    leaves: dict[int, Any],
    adjoints: dict[int, Any],
    owned: set[int],
    stale: int,
) -> int:
    """Sweep on while nodes are elementwise, on floats or on arrays of one shape and dtype: no detours.

    The same steps as the loop in `reverse`, unrolled, for graphs with very many small nodes. Stops before the
    first node that is anything else, or at which Python's floats refuse what NumPy's answer (1/0), and returns its
    number.
    """
    keeping = retained or ()
    while True:
        node = found[number]
        op, g = node.op, adjoints[number]
        partials, kind = op.partials, type(node)
        if partials is None or number < stale or number in keeping:
            return number
        x = y = node.left
        tx = ty = None
        try:
            if len(partials) == 2:
                y = node.right
                p, q = partials
                if type(x) is kind or isinstance(x, Node):
                    a = x._data
                    b = y._data if type(y) is kind or isinstance(y, Node) else y
                    if x.requires_grad:
                        tx = g if p is ONE else g * b if p is second else g * (p if type(p) is float else p(node._data, a, b))
                else:
                    a, b = x, y._data
                if b is not y and y.requires_grad:
                    ty = g if q is ONE else g * a if q is first else g * (q if type(q) is float else q(node._data, a, b))
                    if (type(ty) is not float or type(b) is not float) and not fits(ty, b):
                        return number
            elif len(partials) == 1:
                (p,) = partials
                a = x._data
                tx = g * (p if type(p) is float else p(node._data, a))
            else:
                return number
        except (ArithmeticError, TypeError):
            return number
        if tx is not None:
            if (type(tx) is not float or type(a) is not float) and not fits(tx, a):
                return number
            k = x.number
            if k not in adjoints:
                adjoints[k] = tx
                if x.op is None:
                    leaves[k] = x
                else:
                    found[k] = x
            elif type(tx) is float:
                adjoints[k] += tx
            else:
                accumulate(adjoints, owned, k, tx)
        if ty is not None:
            k = y.number
            if k not in adjoints:
                adjoints[k] = ty
                if y.op is None:
                    leaves[k] = y
                else:
                    found[k] = y
            elif type(ty) is float:
                adjoints[k] += ty
            else:
                accumulate(adjoints, owned, k, ty)
        del found[number], adjoints[number]
        if not found:
            return 0
        number -= 1
        if number not in found:
            number = youngest(found, number)
