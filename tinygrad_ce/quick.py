"""The sweep of `loss.backward()`, made for graphs with very many small nodes.

    gradients(root, seed, choice)       nodes and gradients of leaves, and of what retains its gradient, by number

It takes the steps of sweep.py's `reverse`, with two differences. Adjoints lie in a slot of the nodes themselves,
which takes half the time of a dictionary. And elementwise nodes, on floats or on arrays of one shape and dtype, are
not handed to the general functions: their partial derivatives are multiplied here.

A slot can serve one sweep at a time. Whoever comes while another sweep runs, in another thread or inside of it, takes
`reverse`, as does whoever names a derivation or watches: that gives the same numbers, and takes no turn. An exception
leaves no adjoint behind; and if it could not be cleared (a second Ctrl-C), the turn is never given back, so that nobody
comes upon it.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from .choice import Choice
from .forms import ONE, first, second
from .mutation import require_intact, require_unwritten
from .node import Clock, Node, Watch, recording, retained
from .sweep import own, reverse, sent, youngest

_turn = Lock()
ndarray = np.ndarray


def gradients(root: Node, seed: Any, choice: Choice) -> dict[int, tuple[Node, Any]]:
    """What `reverse(root, seed, choice)` returns."""
    if choice.request is not None or isinstance(recording(), Watch) or not _turn.acquire(blocking=False):
        return reverse(root, seed, choice)
    found: dict[int, Node] = {}
    leaves: list[Node] = []
    try:
        results = _swept(root, seed, choice, found, leaves)
    finally:
        for node in (*found.values(), *leaves):
            node.adjoint = None
        _turn.release()
    return results


def _swept(
    root: Node, seed: Any, choice: Choice, found: dict[int, Node], leaves: list[Node]
) -> dict[int, tuple[Node, Any]]:
    results: dict[int, tuple[Node, Any]] = {}
    owned: set[int] = set()  # adjoints that are arrays of the sweep's own, safe to add to in place
    stale = Clock.last  # older nodes are looked at more closely: something changed, or was watched, since
    _add(root, seed, found, leaves, owned)
    number = root.number
    while found:
        number = _elementwise(number, found, leaves, owned, stale)
        if not number:
            break
        node = found[number]
        g = node.adjoint
        if number in retained:
            results[number] = (node, g if number in owned else own(g))
        if number < stale:
            require_intact(node)
        for x, gx in sent(node, node.op, g, choice):
            _add(x, gx, found, leaves, owned)
        node.adjoint = None  # before it is forgotten: Ctrl-C may come between the two
        del found[number]
        if found:
            number = youngest(found, number)
    for x in leaves:
        g = x.adjoint
        require_unwritten(x, root)
        results[x.number] = (x, g if x.number in owned else own(g))
    return results


def _add(x: Node, gx: Any, found: dict[int, Node], leaves: list[Node], owned: set[int]) -> None:
    """Add a contribution to a node's adjoint; in place where the sum so far is an array of the sweep's own."""
    total = x.adjoint
    if total is None:
        if x.op is None:
            leaves.append(x)
        else:
            found[x.number] = x
        x.adjoint = gx
    elif type(total) is not np.ndarray:
        x.adjoint = total + gx
    elif x.number in owned:
        total += gx
    else:
        x.adjoint = total + gx
        owned.add(x.number)


def _elementwise(number: int, found: dict[int, Node], leaves: list[Node], owned: set[int], stale: int) -> int:
    """Sweep on while nodes are elementwise, on floats or on arrays of one shape and dtype: no detours.

    Stops before the first node that is anything else, or at which Python's floats refuse what NumPy's answer (1/0),
    and returns its number; 0 at the end.
    """
    keeping = retained or ()
    while True:
        node = found[number]
        op = node.op
        partials = op.partials
        if partials is None or number < stale or number in keeping:
            return number
        g = node.adjoint
        x, kind = node.left, type(node)
        tx = ty = None
        try:
            if len(partials) == 2:
                y = node.right
                p, q = partials
                a = x._data if type(x) is kind or isinstance(x, Node) else x
                b = y._data if type(y) is kind or isinstance(y, Node) else y
                if a is not x and x.requires_grad:
                    if p is ONE:
                        tx = g
                    elif p is second:
                        tx = g * b
                    else:
                        tx = g * (p if type(p) is float else p(node._data, a, b))
                if b is not y and y.requires_grad:
                    if q is ONE:
                        ty = g
                    elif q is first:
                        ty = g * a
                    else:
                        ty = g * (q if type(q) is float else q(node._data, a, b))
                    if (type(ty) is not float or type(b) is not float) and not (
                        type(ty) is ndarray is type(b) and ty.dtype is b.dtype and ty.shape == b.shape
                    ):
                        return number
            elif len(partials) == 1:
                a, p = x._data, partials[0]
                tx = g * (p if type(p) is float else p(node._data, a))
            else:
                return number
        except (ArithmeticError, AttributeError, TypeError):
            return number
        if tx is not None:
            if (type(tx) is not float or type(a) is not float) and not (
                type(tx) is ndarray is type(a) and tx.dtype is a.dtype and tx.shape == a.shape
            ):
                return number
            total = x.adjoint  # _add, written out for both inputs: a call for each would show
            if total is None:
                if x.op is None:
                    leaves.append(x)
                else:
                    found[x.number] = x
                x.adjoint = tx
            elif type(tx) is float:
                x.adjoint = total + tx
            else:
                _add(x, tx, found, leaves, owned)
        if ty is not None:
            total = y.adjoint
            if total is None:
                if y.op is None:
                    leaves.append(y)
                else:
                    found[y.number] = y
                y.adjoint = ty
            elif type(ty) is float:
                y.adjoint = total + ty
            else:
                _add(y, ty, found, leaves, owned)
        node.adjoint = None
        del found[number]
        if not found:
            return 0
        number -= 1
        if number not in found:
            number = youngest(found, number)
