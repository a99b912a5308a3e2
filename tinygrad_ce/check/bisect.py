"""bisect: two gradient computations of one network, node by node, and the first node at which they part.

What a wrong rule sends makes everything behind it wrong too; in the order of the reverse sweep, the first node whose
two gradients differ by more than rounding explains is the one whose sender is to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..choice import choose, reachable
from ..node import Node, recorded
from ..value import Value
from .bisection import FORWARD, REVERSE, Bisection
from .compare import cotangent
from .pairing import Pairs, paired
from .precision import is_float, quiet
from .report import FAIL, Row
from .subject import argument_names
from .sweeps import Sweep, contrast, names, of_data, sender, swept

__all__ = ["Bisection", "bisect"]


def bisect(mine: Any, reference: Any, *of: Any, gradient: Any = None) -> Bisection:
    """Compare two gradient computations of one network node by node, and name the first node at which they part.

    Parameters
    ----------
    mine, reference
        Two requests for derivations, as `backward(derivation=)` takes them (names, mappings of ops to names, None for
        every op's default), followed by the loss, one Value;
        or two functions, followed by the inputs that both are called with (floating ones become leaves);
        or two finished graphs, each by its last Value.
    *of
        The loss, or the inputs.
    gradient : array, optional
        The cotangent; by default 1 for one number, and random signs and sizes otherwise.

    Returns
    -------
    Bisection
        True where nothing parts. `.first` is the row of the first node that does, `.sender` the op that sent its
        gradient; `.rows` has every node in the order of the sweep; `.drawing` is the graph, green where the two
        agree, red where they part, grey where they were not compared.

    Raises
    ------
    ValueError
        If the two graphs have nothing in common, or their results different shapes.
    AssumptionError
        If a derivation named assumes what does not hold.

    Notes
    -----
    Graphs of the same structure are compared in their order; others (a fused op here, its parts there) at their
    leaves, at nodes of the same label, and at nodes of the same, unmistakable numbers. Of two graphs the values are
    compared before the gradients. Nodes that a shortcut jumps over have no gradient of their own.

    Examples
    --------
    >>> import numpy as np, tinygrad_ce as tg
    >>> @tg.op
    ... def swish(x):
    ...     return x / (1 + np.exp(-x))
    >>> _ = swish.derivation("hand")(lambda g, out, x: g * (out / x + out * (1 - out)))  # out / x is the sigmoid
    >>> x, w = tg.Value([[1.0, -2.0]], label="x"), tg.Value([[0.5, 1.0], [0.25, -1.0]], label="w")
    >>> report = bisect("hand", "autodiff", np.sum(swish(x @ w) ** 2))
    >>> bool(report), report.first.leaf, report.sender
    (False, 'matmul#2', 'swish')
    """
    with quiet(), recorded(True):
        if isinstance(mine, Value) and isinstance(reference, Value):
            if of:
                raise TypeError("bisect(value, value) takes no inputs: the graphs have them")
            return _two_graphs(mine, reference, gradient)
        if _is_request(mine) and _is_request(reference):
            if len(of) != 1 or not isinstance(of[0], Value):
                raise TypeError("bisect(request, request, loss) takes the one Value that both are requests for")
            return _two_requests(of[0], mine, reference, gradient)
        if callable(mine) and callable(reference):
            return _two_graphs(_called(mine, of), _called(reference, of), gradient)
    raise TypeError(
        f"bisect compares two Values, two functions, or two requests for derivations, "
        f"not {type(mine).__name__} and {type(reference).__name__}"
    )


def _is_request(x: Any) -> bool:
    return x is None or isinstance(x, (str, Mapping))


def _called(f: Callable[..., Any], inputs: tuple[Any, ...]) -> Value:
    """What a function makes of fresh leaves."""
    called = argument_names(f, len(inputs))
    leaves = []
    for name, x in zip(called, inputs, strict=True):
        data = x.data if isinstance(x, Node) else np.asarray(x) if isinstance(x, (list, tuple)) else x
        label = x.label if isinstance(x, Node) and x.label else name
        held = isinstance(x, Node) and not x.requires_grad
        leaves.append(Value(data, requires_grad=not held, label=label) if is_float(data) else data)
    out = f(*leaves)
    if not isinstance(out, Value):
        raise TypeError(
            f"{getattr(f, '__name__', 'the function')} returned a {type(out).__name__}; "
            f"bisect needs a Value, made of its floating inputs"
        )
    return out


def _needs_gradient(root: Value) -> None:
    if not root.requires_grad:
        raise ValueError("bisect wants a Value that needs a gradient; this one was made of constants")


# -- the two kinds ---------------------------------------------------------------------------------------------


def _two_requests(root: Value, mine: Any, reference: Any, gradient: Any) -> Bisection:
    _needs_gradient(root)
    seed = cotangent(root, gradient)
    sides = [swept(root, seed, _said(r), choose(r, root)) for r in (mine, reference)]
    pairs = {n: n for n in sides[0].nodes}
    return _report(root, sides[0], sides[1], Pairs(pairs), [])


def _said(request: Any) -> str:
    if isinstance(request, Mapping):
        return ", ".join(f"{op.name}: {name}" for op, name in request.items()) or "default"
    return request or "default"


def _two_graphs(mine: Value, reference: Value, gradient: Any) -> Bisection:
    for root in (mine, reference):
        _needs_gradient(root)
    if mine.shape != reference.shape:
        raise ValueError(f"the two end in different shapes, {mine.shape} and {reference.shape}")
    nodes = reachable(mine), reachable(reference)
    pairs = paired(mine, nodes[0], reference, nodes[1])
    called = names(nodes[0])
    forward = _rows(of_data(nodes[0], "mine"), of_data(nodes[1], "reference"), pairs.of, called, first=False)
    seed = cotangent(mine, gradient)
    choice = choose(None)
    sides = swept(mine, seed, "mine", choice), swept(reference, seed, "reference", choice)
    return _report(mine, sides[0], sides[1], pairs, forward)


def _report(root: Value, a: Sweep, b: Sweep, pairs: Pairs, forward: list[Row]) -> Bisection:
    called = names(a.nodes)
    number = {name: n for n, name in called.items()}
    rows = _rows(a, b, pairs.of, called, first=True)
    kind, first, sent = REVERSE, next((row for row in rows if row.verdict == FAIL), None), ("", "")
    parted = next((row for row in forward if row.verdict == FAIL), None)
    if parted is not None:
        kind, first, op = FORWARD, parted, a.nodes[number[parted.leaf]].op
        sent = ("" if op is None else op.name, "")
    elif first is not None:
        i = number[first.leaf]
        sent = sender(a, i, b, pairs.of[i], pairs.of)
    notes = [f"{s.name}: {s.note}" for s in (a, b) if s.note] + [pairs.how] * bool(pairs.how)
    verdicts = {number[row.leaf]: row.verdict for row in (rows if parted is None else forward)}
    missing = [called[n] for n in sorted(a.nodes, reverse=True) if n not in verdicts]
    at = None if first is None else number[first.leaf]
    return Bisection((a.name, b.name), kind, first, sent[0], sent[1], rows, forward, missing, notes, root, verdicts, at)


def _rows(a: Sweep, b: Sweep, pairs: Mapping[int, int], called: Mapping[int, str], first: bool) -> list[Row]:
    """A row for each pair of nodes: gradients in the order of the reverse sweep, values in that of the forward one."""
    both = [(n, pairs[n]) for n in sorted(pairs, reverse=first)]
    return [contrast(called[n], a, n, b, m) for n, m in both if n in a.adjoints and m in b.adjoints]
