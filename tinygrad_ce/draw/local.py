"""The local derivative of an op with respect to each of its inputs, as numbers and in symbols.

An elementwise op has one slope for each entry of its result. Of another small op the Jacobian is pulled out row by row;
of a large one that is no scalar there are only symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import ones_like
from ..choice import Choice
from ..node import Node, plain
from ..op import Op
from ..sweep import pull
from .graph import Derivative
from .summary import SMALL, summarise
from .symbol import symbol

_PLAIN = Choice()


def derivatives(node: Node, op: Op) -> list[Derivative | None]:
    """For each input of a node: the local derivative, or None where there is none."""
    needed = [i for i, x in enumerate(node.inputs) if isinstance(x, Node) and x.requires_grad and i not in op.constants]
    found: list[Derivative | None] = [None] * len(node.inputs)
    numbers: dict[int, Any] = _slopes(node, op, needed) if op.partials is not None else _pulled(node, op, needed)
    for i in needed:
        kind, data = numbers.get(i, ("formula", None))
        text = symbol(op, i)
        if data is not None or text:
            found[i] = Derivative(kind, None if data is None else summarise(data), text)
    return found


def _slopes(node: Node, op: Op, needed: Sequence[int]) -> dict[int, Any]:
    """Partial derivatives of an elementwise op."""
    data = [plain(x) for x in node.inputs]
    shape = np.shape(node.data)
    found: dict[int, Any] = {}
    for i in needed:
        partial = op.partials[i] if op.partials is not None else None
        if partial is None:
            continue
        slope = partial if type(partial) is float else _evaluated(partial, node.data, data)
        found[i] = "elementwise", slope if np.shape(slope) == shape else np.broadcast_to(slope, shape)
    return found


def _evaluated(partial: Any, out: Any, data: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        try:
            slope = partial(out, *data)
            if type(slope) is not complex:
                return float(slope) if isinstance(slope, bool) else slope
        except (ZeroDivisionError, OverflowError):
            pass
        # Python's floats refuse 1/0 and turn complex at (-8) ** (1/3); NumPy's follow IEEE.
        return partial(*[np.float64(x) if type(x) is float else x for x in (out, *data)])


def _pulled(node: Node, op: Op, needed: Sequence[int]) -> dict[int, Any]:
    """The gradient of a single result, or the Jacobian of a small op."""
    out = node.data
    rows = np.size(out)
    if not 1 <= rows <= SMALL or not isinstance(out, (float, np.ndarray, np.generic)) or not op.derivations:
        return {}
    # A row of a matrix costs a pull, and a matrix is shown only where it is small.
    shown = [i for i in needed if rows == 1 or np.size(plain(node.inputs[i])) <= SMALL]
    if not shown or np.asarray(out).dtype.kind != "f":
        return {}
    pulls = [_pull(node, op, e, shown) for e in _basis(out, rows)]
    if rows == 1:
        return {i: ("gradient", pulls[0][i]) for i in shown if pulls[0][i] is not None}
    return {
        i: ("jacobian", np.stack([np.ravel(row[i]) for row in pulls]))
        for i in shown
        if all(row[i] is not None for row in pulls)
    }


def _pull(node: Node, op: Op, g: Any, shown: Sequence[int]) -> Sequence[Any]:
    with np.errstate(all="ignore"):
        derivation = op.derivations[op.default]
        return [plain(x) for x in pull(node, op, node.inputs, derivation, g, shown, _PLAIN, False, False)]


def _basis(out: Any, rows: int) -> list[Any]:
    if rows == 1:
        return [ones_like(out)]
    return [row.reshape(np.shape(out)) for row in np.eye(rows, dtype=np.asarray(out).dtype)]
